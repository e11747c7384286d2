"""Virtual time: jumps to the next due action and runs it."""

from __future__ import annotations

import re
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

US_PER_S = 1_000_000
FOREVER_US = 2**62


def timestamp(time_us: int) -> str:
    """Write a time [us since 1970] as the exchange does: RFC 3339, UTC, with microseconds.

    source  H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days
    """
    seconds, micros = divmod(time_us, US_PER_S)
    days, second = divmod(seconds, 86_400)
    era, day_of_era = divmod(days + 719_468, 146_097)
    year_of_era = (day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153  # from March
    day = day_of_year - (153 * shifted_month + 2) // 5 + 1
    month = shifted_month + 3 if shifted_month < 10 else shifted_month - 9
    year = year_of_era + era * 400 + (month <= 2)
    time = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}.{micros:06d}"
    return f"{year:04d}-{month:02d}-{day:02d}T{time}Z"


_TIMESTAMP = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII
)


def time_of(text: str) -> int | None:
    """Read a time as in RFC 3339 [us since 1970]; None if it is not one.

    source  as for `timestamp`, days_from_civil
    """
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60):
        return None
    year -= month <= 2
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    days = era * 146_097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719_468
    offset_s = 0
    if found[8] is not None:
        offset_s = (int(found[9]) * 3600 + int(found[10]) * 60) * (1 if found[8] == "+" else -1)
    seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset_s
    return seconds * US_PER_S + int((found[7] or "").ljust(6, "0")[:6])


class Clock:
    """A queue of actions, ordered by due time and, for equal times, by the order in which they were added.

    So each run does the same things in the same order, and none reads the real clock.
    """

    __slots__ = ("_numbers", "_queue", "now_us")

    def __init__(self) -> None:
        self.now_us = 0  # since the start of the match
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = count()

    def at(self, due_us: int, action: Callable[[], None]) -> None:
        """Schedule an action; one that is due in the past runs now."""
        if due_us < self.now_us:
            due_us = self.now_us
        heappush(self._queue, (due_us, next(self._numbers), action))

    def run(self, until_us: int = FOREVER_US) -> None:
        """Run all actions due before `until_us` and advance to that time; without it, run until none is left."""
        queue, next_of = self._queue, heappop
        while queue and queue[0][0] < until_us:
            self.now_us, _, action = next_of(queue)
            action()
        if until_us != FOREVER_US:
            self.now_us = until_us
