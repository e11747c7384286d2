"""Competitions: cases, teams, rounds, results, and their records."""
