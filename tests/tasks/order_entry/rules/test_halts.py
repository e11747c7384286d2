"""Halting a security and resuming it."""

from __future__ import annotations

from tasks.messages import SetHalt
from tasks.order_entry.rules.decide import decide
from tasks.order_entry.rules.decisions import Admitted
from tests.tasks.order_entry.rules.desks import NOW_US, desk, halt, order, reasons


def test_a_halt_goes_to_the_shard_of_its_security() -> None:
    entry = desk()
    request = halt("AAPL")
    assert decide(entry, request) == Admitted(request, SetHalt(900, "AAPL", True, NOW_US), shard=1)
    assert entry.halts == {"AAPL": True}


def test_what_follows_in_the_unit_knows_of_it() -> None:
    entry = desk()
    resumed = [halt(halted=False), order(2), halt("HALT", halted=False), order(3, security_id="HALT")]
    assert reasons(entry, halt(), order(1), *resumed) == [None, "halted", None, None, None, None]
    assert entry.halts == {"MSFT": False, "HALT": False}


def test_an_unknown_security_is_not_halted() -> None:
    entry = desk()
    assert reasons(entry, halt("XXXX"), order(1)) == ["unknown_security", None]
    assert entry.halts == {}
