"""The proof of a tournament: its archive and events, and the differences found when it is played again."""
