"""Changing the phase of a security, halting it and resuming it."""

from __future__ import annotations

import pytest

from tasks.messages import SetPhase
from tasks.order_entry.rules.decide import decide
from tasks.order_entry.rules.decisions import Admitted
from tasks.order_entry.rules.security_changes import NewPhase
from tests.tasks.order_entry.rules.desks import NOW_US, cancel, desk, halt, order, phase, reasons, replace


def test_a_phase_goes_to_the_shard_of_its_security() -> None:
    entry = desk()
    request = phase("AAPL", "auction", lasts_us=10_000_000)
    command = SetPhase(900, "AAPL", "auction", "admin", NOW_US + 10_000_000, NOW_US)
    assert decide(entry, request) == Admitted(request, command, shard=1)
    assert entry.changes.phases == {"AAPL": NewPhase(900, "auction", "admin", NOW_US + 10_000_000)}


def test_a_halt_is_a_phase_and_so_is_its_end() -> None:
    entry = desk()
    request = halt("AAPL")
    assert decide(entry, request) == Admitted(request, SetPhase(900, "AAPL", "halted", "admin", None, NOW_US), shard=1)
    assert entry.changes.phases == {"AAPL": NewPhase(900, "halted", "admin", None)}
    assert decide(entry, halt("AAPL", halted=False)).command.phase == "continuous"


def test_what_follows_in_the_batch_knows_of_it() -> None:
    entry = desk()
    resumed = [halt(halted=False), order(2), halt("HALT", halted=False), order(3, security_id="HALT")]
    assert reasons(entry, halt(), order(1), *resumed) == [None, "halted", None, None, None, None]
    assert {name: new.phase for name, new in entry.changes.phases.items()} == dict.fromkeys(
        ("MSFT", "HALT"), "continuous"
    )


@pytest.mark.parametrize(
    ("name", "refusal"),
    [("continuous", None), ("auction", None), ("halted", "halted"), ("closed", "closed")],
)
def test_closed_and_halted_securities_take_cancels_only(name: str, refusal: str | None) -> None:
    entry = desk()
    asked = [order(1), phase(phase=name), order(2), replace(1, quantity=2), cancel(1)]
    assert reasons(entry, *asked) == [None, None, refusal, refusal, None]


def test_continuous_trading_has_no_end() -> None:
    assert decide(desk(), phase(phase="continuous", lasts_us=1)).command.ends_us is None


def test_an_unknown_security_has_no_phase() -> None:
    entry = desk()
    assert reasons(entry, halt("XXXX"), phase("XXXX"), order(1)) == ["unknown_security", "unknown_security", None]
    assert not entry.changes.are_any
