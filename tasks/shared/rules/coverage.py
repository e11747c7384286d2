"""The events that a message or a stage covers: half-open intervals on the line of all event ids.

The highest bits of an event id are its shard, so the line consists of one shard after the other, and an interval
implies its shard. The intervals of a message continue those of the previous message for the same queue, and include
stretches without an event for it. So an event was lost if and only if it is in no interval.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tasks.messages import event_id, split_event_id

# [from, to)
Interval = tuple[int, int]

LAST = 2**63 - 1


def commands(shard: int, first_seq: int, end_seq: int) -> Interval:
    """Return the interval of the events of commands first_seq, ..., end_seq - 1 of a shard."""
    return event_id(shard, first_seq, 0), event_id(shard, end_seq, 0)


def shard_of(interval: Interval) -> int:
    """Return the shard of an interval."""
    return split_event_id(interval[0])[0]


def seqs_of(interval: Interval) -> tuple[int, int]:
    """Return the first and the last command with events in an interval."""
    return split_event_id(interval[0])[1], split_event_id(interval[1] - 1)[1]


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """Return the same events in as few intervals as possible, in the order of the ids."""
    union: list[Interval] = []
    for begin, end in sorted(intervals):
        if union and begin <= union[-1][1]:
            union[-1] = union[-1][0], max(union[-1][1], end)
        elif begin < end:
            union.append((begin, end))
    return union


def without(intervals: Iterable[Interval], others: Iterable[Interval]) -> list[Interval]:
    """Return the parts of the intervals that are in none of the others, merged."""
    left: list[Interval] = []
    taken = merged(others)
    position = 0
    for begin, end in merged(intervals):
        while position < len(taken) and taken[position][1] <= begin:
            position += 1
        at = position
        while at < len(taken) and taken[at][0] < end:
            if begin < taken[at][0]:
                left.append((begin, taken[at][0]))
            begin = max(begin, taken[at][1])
            at += 1
        if begin < end:
            left.append((begin, end))
    return left


def clipped(intervals: Iterable[Interval], begin: int, end: int) -> list[Interval]:
    """Return the parts of the intervals that lie in [begin, end)."""
    return [(max(first, begin), min(last, end)) for first, last in intervals if max(first, begin) < min(last, end)]


def holds(intervals: Sequence[Interval], number: int) -> bool:
    """Return whether an event is in one of the intervals."""
    return any(begin <= number < end for begin, end in intervals)
