"""The life of an order, stage by stage, as the stamps of its reports tell it.

It is the way from the api to the first thing that happened to the order and was told: a trade and its settlement, a
cancel, a denial. What happens to it later, further trades say, are lives of their own that nothing is known of.
Stages on several hosts have clocks of their own; a span never begins before the one in front of it has ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from db.market_data.reads import FIRST_EVENT
from tasks.data_feed.rules.rows import Report

Stage = Literal["api", "order_entry", "matching", "order_execution", "data_feed"]
Part = Literal["queue", "work"]

RESTING = "resting in the book, until something happens to it"
_WORK: dict[Stage, str] = {
    "api": "key and terms checked, numbered, put on the queue",
    "order_entry": "risk checked, cash or shares held, written into the log",
    "matching": "matched in price and time",
    "order_execution": "settled: shares against cash, both or none",
    "data_feed": "stored for all who may read it",
}


class Span(Struct, frozen=True):
    """A part of an order's life; times are microseconds since the api took it."""

    stage: Stage
    part: Part
    what: str
    start_us: int
    end_us: int


class Life(Struct, frozen=True):
    """An order's life from `started_us`, when the api took it [us since 1970, UTC], in spans that follow each other."""

    security_id: str
    started_us: int
    spans: list[Span]

    @property
    def total_us(self) -> int:
        """How long it took."""
        return self.spans[-1].end_us


def life_of(reports: Sequence[Report]) -> Life | None:
    """The life of an order by its own reports, in any order; None while order entry's word on it is not among them.

    What answers a cancel or a replacement says nothing of it and is passed over.
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
            # What happened is due to a command that was sequenced after this order was on its way to the engine.
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
    return Life(placed.security_id, placed.event_us, spans.found)


class _Spans:
    """Spans, each from where the last one ended."""

    def __init__(self, started_us: int) -> None:
        self._started_us = started_us
        self._end_us = 0
        self.found: list[Span] = []

    def add(self, stage: Stage, part: Part, end_us: int, what: str = "") -> None:
        """Add a span to a time since 1970."""
        start_us, self._end_us = self._end_us, max(self._end_us, end_us - self._started_us)
        self.found.append(Span(stage, part, what or _what(stage, part), start_us, self._end_us))

    def add_stage(self, stage: Stage, report: Report) -> None:
        """Add the wait and the work of the stage that told a report; in one where it did not say when it began."""
        if report.began_us is None:
            self.add(stage, "work", report.sent_us, f"waiting and work: {_WORK[stage]}")
        else:
            self.add(stage, "queue", report.began_us)
            self.add(stage, "work", report.sent_us)


def _what(stage: Stage, part: Part) -> str:
    return _WORK[stage] if part == "work" else f"waiting for {stage.replace('_', ' ')}"
