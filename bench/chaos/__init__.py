"""Chaos: an exchange of its own under load, while a seeded schedule kills, hangs, cuts and floods what it is made of.

Afterwards everything has to come back by itself, and every answer that a client was given has to be true.
"""
