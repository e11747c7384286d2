"""The last report that the readers of a client have received, and the last one that they are to receive."""

from __future__ import annotations

from collections.abc import Iterable

from tasks.data_feed.rules.rows import Report


class ReportFeed:
    """The reports of one client as its readers know them.

    sequence  of the last report sent; None until what was stored before is known
    head      of the last report known to be stored
    """

    __slots__ = ("client_id", "head", "sequence")

    def __init__(self, client_id: str, *, sequence: int | None = None) -> None:
        self.client_id = client_id
        self.sequence = sequence
        self.head = sequence or 0

    @property
    def is_behind(self) -> bool:
        """Whether a stored report was not sent yet."""
        return self.sequence is not None and self.sequence < self.head

    def begin(self, sequence: int) -> None:
        """Continue from a stored report; reports that were pushed earlier are included in it or missing."""
        self.sequence = sequence
        self.reach(sequence)

    def reach(self, head: int) -> None:
        """Record that the reports up to this one are stored."""
        self.head = max(self.head, head)

    def follows(self, previous_sequence: int) -> bool:
        """Return whether the reports after this sequence continue what was sent, without a gap."""
        return self.sequence is not None and previous_sequence <= self.sequence

    def take(self, reports: Iterable[Report]) -> list[Report]:
        """Take reports that follow without a gap, oldest first. Returns those that have to be sent."""
        assert self.sequence is not None, "what was stored before is not known yet"
        before = self.sequence
        new = [report for report in reports if report.sequence > before]
        if new:
            self.sequence = new[-1].sequence
            self.reach(self.sequence)
        return new

    def end_at(self, head: int) -> None:
        """Lower the head to the last report sent, as Postgres has none after it, unless a push came since the read.

        head  the head when Postgres was read
        """
        if self.head == head and self.sequence is not None:
            self.head = self.sequence
