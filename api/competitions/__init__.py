"""Competitions: cases, invitations, teams, standings, pages."""
