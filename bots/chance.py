"""Where a bot's chance comes from: of one seed every account has its own, the same in both runners."""

from __future__ import annotations

from random import Random


def chance_of(seed: int, client_id: str) -> Random:
    """The source of chance of an account's bot. Text as a seed is hashed by SHA-512, the same in every process."""
    return Random(f"{seed}:{client_id}")
