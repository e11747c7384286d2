"""Competitions: cases, teams, rounds, results, and what is kept of them."""
