"""How it is proven: the archive of a tournament, its events, and what differs when it is played again."""
