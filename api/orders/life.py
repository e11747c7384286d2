"""Reconstruct the life of an order, stage by stage, from the timestamps of its reports.

A life leads from the api to the first reported event of the order: a trade and its settlement, a cancel, or a denial.
It leaves out later events, such as further trades. Stages on several hosts have clocks of their own, so a span never
begins before the span in front of it has ended.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from api.wire.answers_schema.orders import Part, Stage
from db.market_data.reads import FIRST_EVENT
from tasks.data_feed.rules.rows import Report

RESTING = "resting in the book until its next event"
_WORK: dict[Stage, str] = {
    "api": "checks key and terms, assigns the order id, queues the order",
    "order_entry": "checks risk, holds cash or shares, writes the order into the log",
    "matching": "matches the order by price and time",
    "order_execution": "settles the trade: shares against cash, both or neither",
    "data_feed": "stores the report",
}


class Span(Struct, frozen=True):
    """A part of an order's life; times are microseconds since the api received the order."""

    stage: Stage
    part: Part
    what: str
    start_us: int
    end_us: int


class Life(Struct, frozen=True):
    """An order's life in consecutive spans; the api received the order at `started_us` [us since 1970, UTC].

    trade  the report of its first trade, if that ends the life
    """

    security_id: str
    started_us: int
    spans: list[Span]
    trade: Report | None = None

    @property
    def total_us(self) -> int:
        """The length of the whole life."""
        return self.spans[-1].end_us


def life_of(reports: Sequence[Report]) -> Life | None:
    """Return the life of an order from its reports, in any order; None while the report of order entry is missing.

    Reports that refuse a cancel or a replacement say nothing about the order, so they do not count.
    """
    about = sorted((report for report in reports if report.side is not None), key=lambda report: report.report_id)
    placed = next((report for report in about if report.report_id == report.order_id), None)
    if placed is None:
        return None
    spans = _Spans(placed.event_us)
    if placed.asked_us is not None:
        spans.add("api", "work", placed.asked_us)
    spans.add_stage("order_entry", placed)
    last = placed
    happened = next((report for report in about if report.report_id >= FIRST_EVENT), None)
    if happened is not None:
        if happened.event_us > placed.sent_us:
            # The event is due to a command that was sequenced after this order had left for the engine.
            spans.add("matching", "queue", happened.event_us, RESTING)
        spans.add_stage("matching", happened)
        last = happened
        settled = next((report for report in about if report.report_id == -happened.report_id), None)
        if settled is not None:
            spans.add_stage("order_execution", settled)
            last = settled
    if last.taken_us is not None:
        spans.add("data_feed", "queue", last.taken_us)
    spans.add("data_feed", "work", last.stored_us)
    trade = happened if happened is not None and happened.event_type == "trade" else None
    return Life(placed.security_id, placed.event_us, spans.found, trade)


class _Spans:
    """Builds spans, each from the end of the one before."""

    def __init__(self, started_us: int) -> None:
        self._started_us = started_us
        self._end_us = 0
        self.found: list[Span] = []

    def add(self, stage: Stage, part: Part, end_us: int, what: str = "") -> None:
        """Add a span that ends at a time since 1970."""
        start_us, self._end_us = self._end_us, max(self._end_us, end_us - self._started_us)
        self.found.append(Span(stage, part, what or _what(stage, part), start_us, self._end_us))

    def add_stage(self, stage: Stage, report: Report) -> None:
        """Add the queue and the work of the stage that made a report, as one span where its start is unknown."""
        if report.began_us is None:
            self.add(stage, "work", report.sent_us, f"waiting and work: {_WORK[stage]}")
        else:
            self.add(stage, "queue", report.began_us)
            self.add(stage, "work", report.sent_us)


def _what(stage: Stage, part: Part) -> str:
    return _WORK[stage] if part == "work" else f"waiting for {stage.replace('_', ' ')}"
