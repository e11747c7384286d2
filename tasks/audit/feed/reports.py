"""Compares two lists of reports, one in each database, without reading them into Python where they agree.

Each database adds up a hash of every report, by buckets of consecutive numbers. Only the rows of buckets whose sums
differ are read and compared one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, Protocol

from sqlalchemy import Connection, text

from db.connect import Database
from tasks.audit.common.patience import Patience
from tasks.audit.common.result import CheckResult

# The number of buckets whose rows are read; if more differ, the others are only counted.
MOST_BUCKETS: Final = 200


class ReportRow(NamedTuple):
    """The part of a report that can be derived from other tables; all other columns are None on both sides."""

    report_id: int
    order_id: int | None
    event_type: str
    confirmed: bool
    client_id: str | None
    security_id: str | None
    side: str | None
    quantity: int | None
    price_cents: int | None
    reason: str | None
    event_us: int | None


_TYPES = dict(
    zip(
        ReportRow._fields,
        ("bigint", "bigint", "text", "boolean", "text", "text", "text", "bigint", "bigint", "text", "bigint"),
        strict=True,
    )
)
_ROW = ", ".join(f"CAST({name} AS {kind})" for name, kind in _TYPES.items())

Sums = dict[int, tuple[int, int]]


class Source(Protocol):
    """A query in one database for reports with the columns of ReportRow, and `is_optional`.

    An optional report may be missing, because it may have been dropped with its day.
    """

    query: str

    def parameters(self) -> Mapping[str, object]:
        """Return the current parameters of the query."""


class Reports:
    """The reports of a source.

    bits  a report's number without this many low bits is the number of its bucket
    """

    def __init__(self, database: Database, source: Source, *, bits: int) -> None:
        self._database = database
        self._source = source
        self._bucket = f"abs(report_id) >> {bits}"

    def sums(self, buckets: Iterable[int] | None = None) -> Sums:
        """Return the number of reports in each bucket and the sum of their hashes, for some buckets or for all."""
        chosen = "" if buckets is None else f"WHERE {self._bucket} = ANY(:buckets)"
        summing = f"SELECT {self._bucket}, count(*), sum(hash_record_extended(ROW({_ROW}), 0))"
        with self._database.snapshot() as tx:
            rows = self._execute(tx, summing, f"{chosen} GROUP BY 1", {"buckets": list(buckets or ())})
            return {int(bucket): (int(count), int(total)) for bucket, count, total in rows}

    def rows(self, where: str, numbers: Iterable[int]) -> tuple[Counter[ReportRow], set[ReportRow]]:
        """Return the reports of some buckets or numbers, and which of them are optional."""
        condition = f"WHERE {self._bucket if where == 'bucket' else 'abs(report_id)'} = ANY(:numbers)"
        reports: Counter[ReportRow] = Counter()
        optional: set[ReportRow] = set()
        with self._database.snapshot() as tx:
            for *columns, is_optional in self._execute(
                tx, f"SELECT {_ROW}, is_optional", condition, {"numbers": list(numbers)}
            ):
                report = ReportRow(*columns)
                reports[report] += 1
                if is_optional:
                    optional.add(report)
        return reports, optional

    def _execute(self, tx: Connection, select: str, rest: str, more: Mapping[str, object]) -> Iterable[tuple]:  # type: ignore[type-arg]
        # Like all queries of the audit, this one joins whole tables.
        tx.execute(text("SET LOCAL enable_nestloop = off"))
        statement = text(f"{select} FROM ({self._source.query}) AS reports {rest}")
        return tx.execute(statement, {**self._source.parameters(), **more})


class Difference(NamedTuple):
    """The reports that only one of the two lists contains."""

    missing: Counter[ReportRow]
    surplus: Counter[ReportRow]

    @property
    def numbers(self) -> set[int]:
        """The numbers of these reports, without the sign of settlements."""
        return {abs(report.report_id) for report in (*self.missing, *self.surplus)}

    def findings(self) -> list[str]:
        """Return a finding for each report; a report that is stored with other content gives a single finding."""
        others: dict[tuple[int, int | None], list[ReportRow]] = {}
        for report in self.surplus.elements():
            others.setdefault((report.report_id, report.order_id), []).append(report)
        found = []
        for report in sorted(self.missing.elements(), key=_place):
            stored = others.get((report.report_id, report.order_id))
            if stored:
                found.append(f"{_name(report)} is stored as {stored.pop()}; the log leads to {report}")
            else:
                found.append(f"{_name(report)} is missing: {report}")
        left = [report for reports in others.values() for report in reports]
        return found + [
            f"{_name(report)} is stored once too often or without a cause: {report}"
            for report in sorted(left, key=_place)
        ]


def compare(expected: Reports, stored: Reports, patience: Patience) -> CheckResult:
    """Check that exactly the expected reports are stored, each once; wait for reports that are still in the queues."""
    sums = stored.sums()
    checked = CheckResult(sum(count for count, _ in sums.values()))
    buckets = _differing(expected.sums(), sums)
    while len(buckets) > MOST_BUCKETS and patience.wait(len(buckets)):
        buckets = _differing(expected.sums(buckets), stored.sums(buckets))
    difference = _difference(expected, stored, "bucket", buckets[:MOST_BUCKETS])
    while patience.wait(len(difference.numbers)):
        difference = _difference(expected, stored, "number", difference.numbers)
    for finding in difference.findings():
        checked.find(finding)
    for bucket in buckets[MOST_BUCKETS:]:
        checked.find(f"reports differ in bucket {bucket}, too")
    return checked


def _differing(expected: Sums, stored: Sums) -> list[int]:
    return sorted(bucket for bucket in expected.keys() | stored.keys() if expected.get(bucket) != stored.get(bucket))


def _difference(expected: Reports, stored: Reports, where: str, numbers: Iterable[int]) -> Difference:
    if not numbers:
        return Difference(Counter(), Counter())
    due, optional = expected.rows(where, numbers)
    there, _ = stored.rows(where, numbers)
    missing, surplus = due - there, there - due
    return Difference(Counter({row: count for row, count in missing.items() if row not in optional}), surplus)


def _place(report: ReportRow) -> tuple[int, int]:
    return abs(report.report_id), report.order_id or 0


def _name(report: ReportRow) -> str:
    return f"report {report.report_id} of order {report.order_id}"
