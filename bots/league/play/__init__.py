"""What is played: the configuration, the entrants, and the matches."""
