"""Rule 8: each of the engine's events of single orders is reported once: closes, replacements, triggers, refusals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import text

from db.connect import Database
from db.market_data.partitions import ORDER_REPORTS, dropped_before
from tasks.audit.clearing.log import read_heads
from tasks.audit.clearing.replay import PAGE
from tasks.audit.common.patience import Patience
from tasks.audit.common.result import CheckResult
from tasks.audit.feed.reports import ReportRow
from tasks.data_feed.rules.reports import changed_report, closed_report, refused_report
from tasks.data_feed.rules.rows import Report
from tasks.messages import Event, OrderClosed, OrderReplaced, OrderTriggered, SecurityEvent, TradeMade, event_id

_COLUMNS = ", ".join(ReportRow._fields)
_OF_SHARD = text(
    f"SELECT {_COLUMNS} FROM reports WHERE event_type = 'order' AND report_id >= :first_id AND report_id < :end_id "  # noqa: S608
    "ORDER BY report_id, sequence"
).execution_options(yield_per=5_000)
_SOME = text(
    f"SELECT {_COLUMNS} FROM reports WHERE event_type = 'order' AND order_id = ANY(:orders) "  # noqa: S608
    "AND report_id = ANY(:reports) ORDER BY report_id, sequence"
)
_BEYOND = text(
    """
    SELECT report_id, order_id FROM reports
    WHERE event_type = 'order' AND report_id >= CAST(2 ^ 57 AS bigint) AND NOT EXISTS (
        SELECT FROM unnest(CAST(:first_ids AS bigint[]), CAST(:end_ids AS bigint[])) AS log (first_id, end_id)
        WHERE report_id >= first_id AND report_id < end_id
    )
    ORDER BY report_id
    """
)


def report_of(event: Event) -> ReportRow | None:
    """Return the report of an event of the engine; None for a trade, which has several, or a security's event."""
    if isinstance(event, TradeMade | SecurityEvent):
        return None
    if isinstance(event, OrderClosed):
        report = closed_report(event, sent_us=0)
    elif isinstance(event, OrderReplaced | OrderTriggered):
        report = changed_report(event, sent_us=0)
    else:
        report = refused_report(event, sent_us=0)
    return _row(report)


def _row(report: Report) -> ReportRow:
    return ReportRow(*(getattr(report, name) for name in ReportRow._fields))


class StoredEvents:
    """The stored reports of the events of one shard up to command `head`.

    One transaction reads them in the order of their events during the replay of the log, so they need no memory.
    """

    def __init__(self, market_data: Database, shard: int, head: int) -> None:
        self._market_data = market_data
        self._bounds = {"first_id": event_id(shard, 1, 0), "end_id": event_id(shard, head + 1, 0)}
        self._checked = CheckResult()
        self._missing: list[ReportRow] = []
        self._rows = self._read()
        self._next = next(self._rows, None)

    def _read(self) -> Iterator[ReportRow]:
        with self._market_data.snapshot() as tx:
            for row in tx.execute(_OF_SHARD, self._bounds):
                yield ReportRow(*row)

    def compare(self, made: Iterable[Event], *, end_id: int) -> None:
        """Compare the stored reports of events before `end_id`, from the last comparison on, with the replay's."""
        stored: dict[int, list[ReportRow]] = {}
        while self._next is not None and self._next.report_id < end_id:
            stored.setdefault(self._next.report_id, []).append(self._next)
            self._next = next(self._rows, None)
        self._missing += self._compare([row for event in made if (row := report_of(event)) is not None], stored)
        for reports in stored.values():
            for report in reports:
                self._checked.find(f"report {report.report_id} is stored and does not come out of the log: {report}")

    def _compare(self, due: Sequence[ReportRow], stored: dict[int, list[ReportRow]]) -> list[ReportRow]:
        """Remove the expected reports from the stored ones; return those that are missing."""
        missing = []
        for report in due:
            found = stored.pop(report.report_id, None)
            if found is None:
                missing.append(report)
                continue
            self._checked.checked += 1
            name = f"report {report.report_id} of order {report.order_id}"
            if found[0] != report:
                self._checked.find(f"{name} is stored as {found[0]}; the log leads to {report}")
            if len(found) > 1:
                self._checked.find(f"{name} is stored {len(found)} times: {found[1]}")
        return missing

    def await_missing(self, patience: Patience) -> CheckResult:
        """Look again for missing reports until the feed has stored them."""
        self._rows = iter(())
        self._forget_dropped()
        while patience.wait(len(self._missing)):
            pages = [self._missing[start : start + PAGE] for start in range(0, len(self._missing), PAGE)]
            self._missing = [report for page in pages for report in self._look_again(page)]
            self._forget_dropped()
        for report in self._missing:
            self._checked.find(f"report {report.report_id} of order {report.order_id} is missing: {report}")
        return self._checked

    def _look_again(self, missing: Sequence[ReportRow]) -> list[ReportRow]:
        keys = {"orders": [report.order_id for report in missing], "reports": [report.report_id for report in missing]}
        stored: dict[int, list[ReportRow]] = {}
        with self._market_data.snapshot() as tx:
            for row in tx.execute(_SOME, keys):
                stored.setdefault(row.report_id, []).append(ReportRow(*row))
        return self._compare(missing, stored)

    def _forget_dropped(self) -> None:
        with self._market_data.snapshot() as tx:
            floor_us = dropped_before(tx, ORDER_REPORTS)
        self._missing = [report for report in self._missing if (report.event_us or 0) >= floor_us]


def check_no_report_beyond(clearing_data: Database, market_data: Database) -> CheckResult:
    """Check that every report of an event belongs to a command in a log.

    Reports follow the log. So this reads the heads of the logs before the reports, which excludes most reports, and
    again after them.
    """
    checked = CheckResult()
    with market_data.snapshot() as tx:
        beyond = tx.execute(_BEYOND, _bounds(clearing_data)).all()
    if beyond:
        bounds = _bounds(clearing_data)
        logs = list(zip(bounds["first_ids"], bounds["end_ids"], strict=True))
        for report_id, order_id in beyond:
            if not any(first_id <= report_id < end_id for first_id, end_id in logs):
                checked.find(f"report {report_id} of order {order_id} is stored and is of a command that no log has")
    return checked


def _bounds(clearing_data: Database) -> dict[str, list[int]]:
    """Return the bounds of the event ids of each shard's log."""
    with clearing_data.snapshot() as tx:
        heads = read_heads(tx)
    return {
        "first_ids": [event_id(shard, 1, 0) for shard in heads],
        "end_ids": [event_id(shard, head + 1, 0) for shard, head in heads.items()],
    }
