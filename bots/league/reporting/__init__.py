"""The report of a tournament: its page, sentences and plots, and the progress on the terminal."""
