"""The numbers of events, which every replay assigns identically."""

from __future__ import annotations

_SEQ_BITS = 36
_N_BITS = 21
MAX_EVENTS_PER_COMMAND = 2**_N_BITS


def event_id(shard: int, seq: int, n: int) -> int:
    """Return the number of the n-th event of command `seq` of a shard, the same in every replay.

    shard  0 to 61, seq  1 to 2^36 - 1, n  0 to 2^21 - 1; the result is at least 2^57, so it differs from every number
    of a request, which is below 2^53, and fits a signed 64-bit column.
    """
    return (shard + 1) << (_SEQ_BITS + _N_BITS) | seq << _N_BITS | n


def split_event_id(number: int) -> tuple[int, int, int]:
    """Return (shard, seq, n) of an event id."""
    return (
        (number >> (_SEQ_BITS + _N_BITS)) - 1,
        (number >> _N_BITS) & ((1 << _SEQ_BITS) - 1),
        number & (MAX_EVENTS_PER_COMMAND - 1),
    )
