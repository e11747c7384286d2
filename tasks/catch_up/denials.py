"""Denied requests whose report was lost: the log does not contain them, so each report is looked up."""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec
import structlog

from celery_app.clock import now_us
from celery_app.publisher import Parcel
from db.clearing_data import catch_up
from db.connect import Database
from db.market_data.report_store import without_known_requests
from tasks.catch_up import messages
from tasks.catch_up.gaps import LONGEST_WAIT_S
from tasks.matching.outbox import MAX_BATCH
from tasks.messages import OrderReport

log = structlog.get_logger()

# How far a process looks back at its start; how far it looks back regularly, because a denial may be committed after
# later ones; and after how many looks it does so [us; us; looks].
LOOK_BACK_US = 3_600 * 1_000_000
LATE_US = 120 * 1_000_000
LOOKS_OF_A_SWEEP = 60
# How long to wait for an empty queue [us].
LONGEST_DELAY_US = 60 * 1_000_000

_decode = msgspec.json.Decoder(OrderReport).decode


class DenialWatch:
    """Looks for the reports of denials a while after the denials were made."""

    def __init__(self, clearing_data: Database, market_data: Database, *, patience_s: float) -> None:
        self._clearing_data = clearing_data
        self._market_data = market_data
        self._patience_s = patience_s
        self._looked_up_to_us = now_us() - LOOK_BACK_US
        self._empty_at_us = 0  # when the feed's queue was last empty
        self._looks = 0
        # Missing reports by the request's number: the report, when to send it again [s], and the wait [s].
        self._missing: dict[int, tuple[OrderReport, float, float]] = {}

    def look(self, *, queue_is_empty: bool) -> Iterator[Parcel]:
        """Return the lost reports, to publish them again."""
        self._looks += 1
        if self._looks % LOOKS_OF_A_SWEEP == 0:
            self._looked_up_to_us -= LATE_US
        looked_us = now_us()
        up_to_us = max(self._empty_at_us, looked_us - LONGEST_DELAY_US) - int(self._patience_s * 1_000_000)
        if queue_is_empty:
            self._empty_at_us = looked_us
        self._find(min(up_to_us, looked_us))
        yield from self._due()

    def _find(self, up_to_us: int) -> None:
        """Look for the reports of denials up to a time, and again for missing ones."""
        asked = {number: report for number, (report, _, _) in self._missing.items()}
        if up_to_us > self._looked_up_to_us:
            with self._clearing_data.transaction() as tx:
                denials = catch_up.denials(tx, after_us=self._looked_up_to_us, up_to_us=up_to_us)
            asked |= {denial.command_id: _decode(denial.report) for denial in denials}
        if asked:
            with self._market_data.transaction() as tx:
                missing = without_known_requests(tx, list(asked.values()))
            self._missing = {
                report.event_id: self._missing.get(report.event_id, (report, 0.0, 0.0)) for report in missing
            }
        self._looked_up_to_us = max(self._looked_up_to_us, up_to_us)

    def _due(self) -> Iterator[Parcel]:
        now_s = time.monotonic()
        due = [number for number, (_, again_s, _) in self._missing.items() if again_s <= now_s]
        if due:
            log.warning("denials_not_reported", requests=len(due))
        for start in range(0, len(due), MAX_BATCH):
            part = due[start : start + MAX_BATCH]
            yield messages.of_denials([self._missing[number][0] for number in part], now_us=now_us())
            for number in part:
                report, _, wait_s = self._missing[number]
                wait_s = min(max(2 * wait_s, self._patience_s), LONGEST_WAIT_S)
                self._missing[number] = report, now_s + wait_s, wait_s
