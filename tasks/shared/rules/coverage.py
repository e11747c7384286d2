"""Which events of the shards a message, or a stage, has: half-open intervals on the line of all event ids.

An event id holds its shard in the highest bits, so the line is the shards one after the other, and an interval of one
shard says which. The intervals of a message follow on those of the message before for the same queue, and include
the stretches without an event for it: so what is covered by no interval was lost, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tasks.messages import event_id, split_event_id

# [from, to)
Interval = tuple[int, int]

LAST = 2**63 - 1


def commands(shard: int, first_seq: int, end_seq: int) -> Interval:
    """The events of the commands first_seq, ..., end_seq - 1 of a shard."""
    return event_id(shard, first_seq, 0), event_id(shard, end_seq, 0)


def shard_of(interval: Interval) -> int:
    """The shard of an interval."""
    return split_event_id(interval[0])[0]


def seqs_of(interval: Interval) -> tuple[int, int]:
    """The first and the last command of which an interval holds events."""
    return split_event_id(interval[0])[1], split_event_id(interval[1] - 1)[1]


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """The same events in as few intervals as there can be, in the order of the ids."""
    union: list[Interval] = []
    for begin, end in sorted(intervals):
        if union and begin <= union[-1][1]:
            union[-1] = union[-1][0], max(union[-1][1], end)
        elif begin < end:
            union.append((begin, end))
    return union


def without(intervals: Iterable[Interval], others: Iterable[Interval]) -> list[Interval]:
    """What of the intervals is in none of the others, merged."""
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
    """What of the intervals lies in [begin, end)."""
    return [(max(first, begin), min(last, end)) for first, last in intervals if max(first, begin) < min(last, end)]


def holds(intervals: Sequence[Interval], number: int) -> bool:
    """Whether an event is in one of the intervals."""
    return any(begin <= number < end for begin, end in intervals)
