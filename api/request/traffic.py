"""Count the requests that this process answers, for the metrics: no lock, and a microsecond a request."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence

# The upper bounds of the buckets [s].
HTTP_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
STAGE_BOUNDS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)

# The route of requests that are refused before one is found: too many of them, too large a head.
NO_ROUTE = "none"


class Histogram:
    """Counts durations in buckets.

    bounds_s  the upper bounds, ascending
    """

    __slots__ = ("_bounds_s", "_counts", "sum_s")

    def __init__(self, bounds_s: Sequence[float]) -> None:
        self._bounds_s = bounds_s
        self._counts = [0] * (len(bounds_s) + 1)
        self.sum_s = 0.0

    def add(self, seconds: float) -> None:
        """Count a duration."""
        self._counts[bisect_left(self._bounds_s, seconds)] += 1
        self.sum_s += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Return for each bound the number of durations up to it, as Prometheus names and counts them."""
        found, total = [], 0
        for bound, count in zip([*map(str, self._bounds_s), "+Inf"], self._counts, strict=True):
            total += count
            found.append((bound, float(total)))
        return found


class Traffic:
    """The requests since the start of the process.

    requests  their number, by route, method and status
    seconds   the time from their arrival to their response, by route
    refused   refused requests, and refused elements of arrays, by the code of the problem
    """

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, int]] = Counter()
        self.seconds: dict[str, Histogram] = {}
        self.refused: Counter[str] = Counter()

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request."""
        self.requests[route, method, status] += 1
        taken = self.seconds.get(route)
        if taken is None:
            taken = self.seconds[route] = Histogram(HTTP_BOUNDS_S)
        taken.add(seconds)

    def turned_away(self, method: str, status: int, code: str) -> None:
        """Count a request that was refused before it had a route."""
        self.requests[NO_ROUTE, method, status] += 1
        self.refused[code] += 1

    def refuse(self, codes: Iterable[str]) -> None:
        """Count refusals by the codes of their problems."""
        self.refused.update(codes)
