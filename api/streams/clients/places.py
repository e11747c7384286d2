"""Places of streams: how many one address may hold, all together, and those without a key.

When all places without a key are taken, a new one replaces the oldest one of the address with the most: the key of a
session comes only after it has begun, so it may be a trader's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from api.wire.problems import Problem

# Places in all, and places for clients without a key.
MAX_PLACES = 4_000
MAX_ANONYMOUS = 2_000


def refusal(detail: str) -> Problem:
    """Return the problem of a stream beyond a limit."""
    return Problem(429, "too_many_connections", detail, retry=True)


class Places:
    """The places that are taken.

    per_address  places that one address may hold
    """

    def __init__(self, *, per_address: int) -> None:
        self._per_address = per_address
        self._of_address: Counter[str] = Counter()
        # How to end the places without a key, by address and place, the oldest first.
        self._ends: dict[str, dict[object, Callable[[], None]]] = {}
        self.taken = 0
        self.anonymous = 0

    def check(self, address: str, *, anonymous: bool) -> None:
        """Return if an address may take a place. Raises Problem (429)."""
        if self._of_address[address] >= self._per_address:
            raise refusal(f"an address may have {self._per_address} streams open; close one first")
        is_full = anonymous and self.anonymous >= MAX_ANONYMOUS
        if self.taken >= MAX_PLACES or (is_full and self._greedier(address) is None):
            raise refusal("too many streams are open; try again later")

    def make_room(self, address: str) -> None:
        """End a place without a key if all of these are taken and another address has more of them than this one."""
        greedier = self._greedier(address) if self.anonymous >= MAX_ANONYMOUS else None
        if greedier is not None:
            place, end = next(iter(self._ends[greedier].items()))
            self.has_key(greedier, place)  # it counts no longer
            end()

    def take(self, address: str, place: object, *, end: Callable[[], None] | None = None) -> None:
        """Take a place; `end` ends one without a key."""
        self.taken += 1
        self._of_address[address] += 1
        if end is not None:
            self.anonymous += 1
            self._ends.setdefault(address, {})[place] = end

    def give_back(self, address: str, place: object) -> None:
        """Give back a place."""
        self.has_key(address, place)
        self.taken -= 1
        self._of_address[address] -= 1
        if not self._of_address[address]:
            del self._of_address[address]

    def has_key(self, address: str, place: object) -> None:
        """Count a place no longer among those without a key."""
        places = self._ends.get(address, {})
        if places.pop(place, None) is not None:
            self.anonymous -= 1
            if not places:
                del self._ends[address]

    def _greedier(self, address: str) -> str | None:
        """Return the address with the most places without a key, if it has at least two more than this one."""
        most = max(self._ends, key=lambda one: len(self._ends[one]), default=address)
        return most if len(self._ends.get(most, ())) > len(self._ends.get(address, ())) + 1 else None
