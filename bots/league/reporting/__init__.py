"""How it is reported: the page, its sentences and plots, the progress on the terminal."""
