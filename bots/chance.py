"""Derives each account's random numbers from one seed, in the same way for live and simulated bots."""

from __future__ import annotations

from random import Random


def chance_of(seed: int | str, client_id: str) -> Random:
    """Make the generator of an account's bot. A text seed is hashed with SHA-512, the same in every process."""
    return Random(f"{seed}:{client_id}")
