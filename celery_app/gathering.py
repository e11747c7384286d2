"""How long a stage lets messages gather before its next batch.

A batch costs a stage and its Postgres as much as a hundred orders more. Two processors that all stages share make
batches of a few dozen single orders, and would spend most of their time on batches. A short pause makes the batches
larger and leaves the processors to the other stages. A message that came alone is followed by no pause, so a lone order
waits for nothing; neither is a batch so large that its own cost no longer matters.
"""

from __future__ import annotations

from typing import Final

# What each message after the first, and each byte, adds to the pause, and the longest pause [s].
MESSAGE_S: Final = 0.003
BYTE_S: Final = 2.5e-6
LONGEST_S: Final = 0.025
# A batch of about a thousand orders.
LARGE_BYTES: Final = 128_000


def gathering_s(messages: int, size: int, *, most: int) -> float:
    """Return how long to wait after a batch [s].

    messages, size  in the batch, and in their bodies [bytes]
    most            messages that a batch can have
    """
    if messages < 2 or messages >= most or size >= LARGE_BYTES:
        return 0.0
    return min((messages - 1) * MESSAGE_S + size * BYTE_S, LONGEST_S)
