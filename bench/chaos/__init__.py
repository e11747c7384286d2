"""Chaos: an exchange of its own under load, while a seeded schedule kills, hangs, cuts and floods its parts.

Afterwards everything must recover by itself, and every answer that a client received must be true.
"""
