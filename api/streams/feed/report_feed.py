"""How far the readers of a client's reports have come, and how far they have to come."""

from __future__ import annotations

from collections.abc import Iterable

from tasks.data_feed.rules.rows import Report


class ReportFeed:
    """The reports of one client as its readers know them.

    sequence  of the last report sent; None until what was stored before is known
    head      of the last report that is known to be stored
    """

    __slots__ = ("client_id", "head", "sequence")

    def __init__(self, client_id: str, *, sequence: int | None = None) -> None:
        self.client_id = client_id
        self.sequence = sequence
        self.head = sequence or 0

    @property
    def is_behind(self) -> bool:
        """Whether a report is stored that was not sent."""
        return self.sequence is not None and self.sequence < self.head

    def begin(self, sequence: int) -> None:
        """Go on from a report that is stored; what was pushed before this is behind it or missing."""
        self.sequence = sequence
        self.reach(sequence)

    def reach(self, head: int) -> None:
        """Note that the reports up to this one are stored."""
        self.head = max(self.head, head)

    def follows(self, previous_sequence: int) -> bool:
        """Return whether nothing is missing between what was sent and the reports behind this one."""
        return self.sequence is not None and previous_sequence <= self.sequence

    def take(self, reports: Iterable[Report]) -> list[Report]:
        """Take reports that follow, oldest first; return those to be sent."""
        assert self.sequence is not None, "what was stored before is not known yet"
        before = self.sequence
        new = [report for report in reports if report.sequence > before]
        if new:
            self.sequence = new[-1].sequence
            self.reach(self.sequence)
        return new

    def end_at(self, head: int) -> None:
        """Postgres has no report after those sent, and a push spoke of no other since it was asked.

        head  what was known to be stored when Postgres was asked
        """
        if self.head == head and self.sequence is not None:
            self.head = self.sequence
