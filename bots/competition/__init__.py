"""Competitions as a client sees them: hidden values that follow from the seed, house bots, and the recount."""
