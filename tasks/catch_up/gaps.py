"""Finds events that another stage has published to a stage and that it lacks, and for how long. Pure.

A message that waits in a queue is missing in its stage, too. Two signs distinguish it from a lost one. Messages are
handled in their order, so events that are missing although later ones have arrived were lost; and so were events that
are still missing some seconds after their queue was empty. Events that stay missing are derived again at growing
intervals. Deriving events that were not lost does no harm, because each stage recognises events that it already has.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from tasks.shared.rules.coverage import Interval, merged, without

LONGEST_WAIT_S = 600.0


def missing_of(expected: Sequence[Interval], covered: Sequence[Interval]) -> list[Interval]:
    """Return the expected events that are not covered, leaving out those before the first coverage.

    Events that an exchange published before coverage existed are not examined.
    """
    if not covered:
        return []
    begin = min(first for first, _ in covered)
    return without(expected, [*covered, (0, begin)])


def common(one: Sequence[Interval], other: Sequence[Interval]) -> list[Interval]:
    """Return the intersection of two lists of intervals."""
    return without(one, without(one, other))


class GapWatch:
    """The gaps of one shard in the events that one stage got from another.

    patience_s  how long events must be missing before they count as lost [s]
    """

    def __init__(self, *, patience_s: float) -> None:
        self._patience_s = patience_s
        self._looks: deque[tuple[float, list[Interval]]] = (
            deque()
        )  # the time, and the events that might be lost at that time
        self._tries: dict[Interval, tuple[float, float]] = {}  # derived intervals: when to derive again, and the wait

    def look(
        self, missing: Sequence[Interval], covered: Sequence[Interval], *, queue_is_empty: bool, now_s: float
    ) -> list[Interval]:
        """Return the intervals to derive now.

        missing         the events that the stage lacks
        covered         the events that it has
        queue_is_empty  whether no message waits for it
        now_s           the time of a monotonic clock [s]
        """
        head = max((end for _, end in covered), default=0)
        suspects = list(missing) if queue_is_empty else [gap for gap in missing if gap[0] < head]
        self._looks.append((now_s, suspects))
        while len(self._looks) > 1 and self._looks[1][0] <= now_s - self._patience_s:
            self._looks.popleft()
        then_s, then = self._looks[0]
        self._tries = {gap: tried for gap, tried in self._tries.items() if common([gap], missing)}
        if then_s > now_s - self._patience_s:
            return []
        waiting = [gap for gap, (again_s, _) in self._tries.items() if now_s < again_s]
        due = without(common(missing, then), waiting)
        for gap in due:
            self._note(gap, now_s)
        return due

    def _note(self, gap: Interval, now_s: float) -> None:
        earlier = [known for known in self._tries if common([known], [gap]) and self._tries[known][0] <= now_s]
        wait_s = max((2 * self._tries.pop(known)[1] for known in earlier), default=self._patience_s)
        wait_s = min(wait_s, LONGEST_WAIT_S)
        self._tries[gap] = now_s + wait_s, wait_s


def together(gaps: Sequence[Interval]) -> Interval:
    """Return the interval from the first of some gaps to the last."""
    whole = merged(gaps)
    return whole[0][0], whole[-1][1]
