"""The latest candles of a security, built from its trades as they arrive, each trade once.

Merging commutes, so a late trade still finds its place; sequences show which trades are included. As with books, the
series holds the candles that were sent, and keeps changes that were not sent yet apart from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tasks.data_feed.rules.candles import CANDLE_SECONDS, candles_of, merge
from tasks.data_feed.rules.rows import Candle, Trade

# The number of candles of each interval that a subscriber begins with.
LATEST_CANDLES = 300

Key = tuple[int, int]  # interval, start [s]


class CandleSeries:
    """Candles of every interval."""

    __slots__ = ("_beyond", "_head", "_new", "_sent", "_traded_us", "sent_sequence", "sent_us", "sequence")

    def __init__(self) -> None:
        self._sent: dict[Key, Candle] = {}
        self._new: dict[Key, Candle] = {}
        self._head = 0  # all trades up to this one are included
        self._beyond: set[int] = set()  # and these
        self._traded_us = 0
        self.sequence = 0  # of the latest trade that is included
        self.sent_sequence = 0  # of the latest trade that subscribers know
        self.sent_us = 0  # the time of that trade

    @property
    def head(self) -> int:
        """The sequence of the last trade before the first gap."""
        return self._head

    @property
    def is_gapless(self) -> bool:
        """Whether no trade before the latest is missing."""
        return not self._beyond

    def begin(self, candles: Iterable[Candle], trades: Sequence[Trade]) -> None:
        """Replace everything with what is stored, and mark it as sent.

        trades  the latest trades that the candles include, newest first: any gap lies among them
        """
        self._sent = {(candle.interval_s, candle.start_s): candle for candle in candles}
        self._new.clear()
        self._head, self._beyond = (trades[-1].sequence if trades else 0), set()
        for trade in reversed(trades):
            self._register(trade.sequence)
        self._traded_us = trades[0].traded_us if trades else 0
        self.sequence = self.sent_sequence = trades[0].sequence if trades else 0
        self.sent_us = self._traded_us

    def add(self, trades: Iterable[Trade]) -> bool:
        """Add trades, whose candles `unsent` returns. Returns whether any of them was new."""
        fresh = [trade for trade in trades if self._register(trade.sequence)]
        if not fresh:
            return False
        for candle in candles_of(fresh):
            key = candle.interval_s, candle.start_s
            known = self._new.get(key) or self._sent.get(key)
            self._new[key] = merge(known, candle) if known else candle
        latest = max(fresh, key=lambda trade: trade.sequence)
        if latest.sequence > self.sequence:
            self.sequence, self._traded_us = latest.sequence, latest.traded_us
        return True

    def unsent(self) -> list[Candle]:
        """Return the candles that have changed since the last call, by interval and start, and mark them as sent."""
        changed = [candle for _, candle in sorted(self._new.items())]
        self._sent.update(self._new)
        self._new.clear()
        self.sent_sequence, self.sent_us = self.sequence, self._traded_us
        self._forget()
        return changed

    def latest(self) -> list[Candle]:
        """Return the candles that were sent, oldest first within each interval."""
        of_each: dict[int, list[Candle]] = {interval_s: [] for interval_s in CANDLE_SECONDS.values()}
        for (interval_s, _), candle in sorted(self._sent.items()):
            of_each[interval_s].append(candle)
        return [candle for candles in of_each.values() for candle in candles[-LATEST_CANDLES:]]

    def _register(self, sequence: int) -> bool:
        """Include a trade. Returns whether it was new."""
        if sequence <= self._head or sequence in self._beyond:
            return False
        self._beyond.add(sequence)
        while self._head + 1 in self._beyond:
            self._head += 1
            self._beyond.remove(self._head)
        return True

    def _forget(self) -> None:
        """Discard the oldest candles. Done rarely, because finding them means going through all of them."""
        if len(self._sent) > 2 * LATEST_CANDLES * len(CANDLE_SECONDS):
            self._sent = {(candle.interval_s, candle.start_s): candle for candle in self.latest()}
