"""The matches of a tournament: configuration, entrants, and simulated and live play."""
