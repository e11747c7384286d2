"""The stream of candles: first those in Postgres, from then on the trades that the feed pushes.

No function here except `read` waits for anything, so a snapshot and the updates after it fit together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

import msgspec
from msgspec import Raw
from sqlalchemy import Connection

from api.streams.feed.candle_series import LATEST_CANDLES, CandleSeries
from api.streams.feed.forms import Event, Kind, content_of
from api.streams.feed.pace import Pace
from api.streams.sockets.rooms import Rooms, room_of
from api.wire.answers import encode
from api.wire.outgoing import candle_of, time_of
from db.market_data import reads
from tasks.data_feed.outgoing import Push
from tasks.data_feed.rules.candles import CANDLE_SECONDS
from tasks.data_feed.rules.rows import Candle, Trade

# The time between two updates of a security; the second one carries all changes in between [s].
CANDLES_EVERY_S = 0.25
# Several workers of the feed may store trades out of order, but never displaced by as many as this.
MISSED_TRADES = 5_000

_INTERVALS = {interval_s: name for name, interval_s in CANDLE_SECONDS.items()}

_trades_of = msgspec.json.Decoder(list[Trade]).decode


class Stored(NamedTuple):
    """The data in Postgres of a security: the missed trades or, with candles, all candles and the trades in them.

    Missed trades are oldest first; trades that come with candles are newest first.
    """

    candles: list[Candle] | None
    trades: list[Trade]


class CandleStreams:
    """The candles of all securities as their subscribers know them."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._series: dict[str, CandleSeries] = {}
        self._snapshots: dict[str, Raw] = {}  # made once for all subscribers that come before the next change
        self._pace = Pace(every_s=CANDLES_EVERY_S, publish=self._publish_security)

    def publish(self, push: Push) -> bool:
        """Send what is new. Returns whether an earlier trade is missing, so that Postgres has to be read."""
        gap = False
        for update in push.trades:
            series = self._of(update.about)
            if series.add(_trades_of(update.data)):
                self._pace.soon(update.about)
            gap = gap or not series.is_gapless
        return gap

    def read(self, tx: Connection) -> dict[str, Stored]:
        """Read from Postgres what is not known yet of every security that has had an order."""
        return {price.security_id: self._read(tx, price.security_id) for price in reads.prices(tx)}

    def _read(self, tx: Connection, security_id: str) -> Stored:
        if head := self._of(security_id).head:
            missed = reads.trades_after(tx, security_id, after=head, limit=MISSED_TRADES)
            if len(missed) < MISSED_TRADES:
                return Stored(None, missed)
        candles = [
            candle
            for interval_s in CANDLE_SECONDS.values()
            for candle in reads.candles(tx, security_id, interval_s=interval_s, limit=LATEST_CANDLES)
        ]
        return Stored(candles, reads.trades(tx, security_id, limit=MISSED_TRADES))

    def catch_up(self, stored: Mapping[str, Stored]) -> None:
        """Send what Postgres has, where it is new."""
        for security_id, found in stored.items():
            series = self._of(security_id)
            if found.candles is None:
                if series.add(found.trades):
                    self._pace.soon(security_id)
            elif found.trades:
                series.begin(found.candles, found.trades)
                self._send(security_id, _event("snapshot", security_id, series, 0, series.latest()))

    def _publish_security(self, security_id: str) -> None:
        series = self._of(security_id)
        before = series.sent_sequence
        if changed := series.unsent():
            self._send(security_id, _event("update", security_id, series, before, changed))

    def _send(self, security_id: str, event: Event) -> None:
        self._snapshots.pop(security_id, None)
        room = room_of("candles", security_id)
        if not self._rooms.is_empty(room):
            self._rooms.send("candles", content_of(event), room)

    def _of(self, security_id: str) -> CandleSeries:
        if security_id not in self._series:
            self._series[security_id] = CandleSeries()
        return self._series[security_id]

    # -- subscribers -------------------------------------------------------------------------------------------------

    def snapshot(self, security_id: str) -> Raw:
        """Return what a subscriber begins with."""
        if security_id not in self._snapshots:
            series = self._of(security_id)
            snapshot = content_of(_event("snapshot", security_id, series, 0, series.latest()))
            self._snapshots[security_id] = snapshot
        return self._snapshots[security_id]

    def sequences(self) -> dict[str, int]:
        """Return the sequence of the last trade sent of each security."""
        return {security_id: series.sent_sequence for security_id, series in self._series.items()}


def _event(
    kind: Kind, security_id: str, series: CandleSeries, previous_sequence: int, candles: Iterable[Candle]
) -> Event:
    return Event(
        channel="candles",
        security_id=security_id,
        type=kind,
        sequence=series.sent_sequence,
        previous_sequence=previous_sequence,
        timestamp=time_of(series.sent_us) if series.sent_us else None,
        data=[_form(candle) for candle in candles],
    )


# Large enough for all candles of about ten securities: only a snapshot's latest candles differ from the one before.
@lru_cache(maxsize=16_384)
def _form(candle: Candle) -> Raw:
    return Raw(encode({"interval": _INTERVALS[candle.interval_s], **candle_of(candle)}))
