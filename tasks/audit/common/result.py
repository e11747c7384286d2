"""The results of an audit: whether each rule holds, for how many rows, and which rows break it."""

from __future__ import annotations

from msgspec import Struct

# At most this many findings of a rule are listed; all are counted.
MOST_LISTED = 20


class CheckResult:
    """How many rows a check has read, and its findings."""

    __slots__ = ("checked", "findings", "found")

    def __init__(self, checked: int = 0) -> None:
        self.checked = checked
        self.found = 0
        self.findings: list[str] = []

    def find(self, finding: str) -> None:
        """Add a finding; the text names the row."""
        self.found += 1
        if len(self.findings) < MOST_LISTED:
            self.findings.append(finding)

    def __add__(self, other: CheckResult) -> CheckResult:
        both = CheckResult(self.checked + other.checked)
        both.found = self.found + other.found
        both.findings = (self.findings + other.findings)[:MOST_LISTED]
        return both


class Rule(Struct, frozen=True):
    """A rule of the audit. `checked` counts rows, `found` all findings, of which the first are in `findings`."""

    rule: int
    name: str
    passed: bool
    checked: int
    found: int
    findings: list[str]

    @classmethod
    def of(cls, number: int, name: str, checked: CheckResult) -> Rule:
        """Return a rule with the combined result of its checks."""
        return cls(number, name, checked.found == 0, checked.checked, checked.found, checked.findings)


class Audit(Struct, frozen=True):
    """The whole audit; `checked_at` is RFC 3339 in UTC."""

    passed: bool
    checked_at: str
    rules: list[Rule]
