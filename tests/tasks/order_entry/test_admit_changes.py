"""Replacements, mass cancels and halts in a real database."""

from __future__ import annotations

import dataclasses

import pytest
from sqlalchemy import text

from db.clearing_data.clients import accounts
from db.connect import Database
from tasks.messages import MassCancel, OrderReport, SetPhase
from tasks.order_entry.admit import admit
from tests.support.entry import LIMITS, cancel, halt, mass_cancel, order, replace
from tests.tasks.order_entry.admissions import commands, enter, reasons

# -- replacements, mass cancels and halts --------------------------------------------------------------------------


def held(database: Database) -> tuple[int, int]:
    """Cents and shares of MSFT that are held for SINGLE."""
    with database.transaction() as tx:
        [shares] = [one.held for one in accounts.holdings(tx, "SINGLE") if one.security_id == "MSFT"]
        return accounts.account(tx, "SINGLE").held_cents, shares


def test_a_replacement_is_reserved_logged_and_reported(clearing_data: Database) -> None:
    enter(clearing_data, order(1, quantity=3), order(2, quantity=30, side="sell"))
    batch = [replace(3, 1, quantity=5, price_cents=11_000), replace(4, 2, quantity=40), replace(5, 1, quantity=1)]
    first = enter(clearing_data, *batch)
    assert first.reports == [
        OrderReport(3, "replace", "confirmed", 1, "SINGLE", "MSFT", None, 5, 11_000, None, 6, 1_000),
        OrderReport(4, "replace", "confirmed", 2, "SINGLE", "MSFT", None, 40, None, None, 6, 1_000),
        OrderReport(5, "replace", "confirmed", 1, "SINGLE", "MSFT", None, 1, None, None, 6, 1_000),
    ]
    assert [command.reserved for command in first.commands[0].commands] == [25_000, 10, 0]
    assert held(clearing_data) == (55_000, 40)
    again = enter(clearing_data, *batch, now_us=2_000)
    assert again.commands == first.commands
    assert reasons(again) == {3: None, 4: None, 5: None}
    assert held(clearing_data) == (55_000, 40)


def test_a_replacement_allows_for_those_that_are_on_their_way(clearing_data: Database) -> None:
    enter(clearing_data, order(1, quantity=3), replace(2, 1, quantity=6), replace(3, 1, price_cents=9_000))
    admission = enter(clearing_data, replace(4, 1, quantity=6, price_cents=12_000))
    # The engine may know it as any of 3 or 6 shares at 90.00 or 100.00.
    assert admission.commands[0].commands[0].reserved == 6 * 12_000 - 3 * 9_000


def test_a_replacement_that_cannot_be_paid_stays_denied(clearing_data: Database) -> None:
    enter(clearing_data, order(1, quantity=60))
    for _ in range(2):
        admission = enter(clearing_data, replace(2, 1, quantity=101), replace(3, 77, quantity=1))
        assert reasons(admission) == {2: "insufficient_funds", 3: "unknown_order"}
        assert admission.commands == []
        with clearing_data.transaction() as tx:
            accounts.deposit_cash(tx, "SINGLE", "t1", amount_cents=1_000_000, now_us=1)


def test_21_a_replacement_of_a_closed_order_is_denied(clearing_data: Database) -> None:
    enter(clearing_data, order(1), order(2), replace(3, 2, quantity=2))
    with clearing_data.transaction() as tx:
        # All of both has traded; but the second is larger at the engine, where the replacement came before that.
        tx.execute(text("UPDATE orders SET status = 'filled', filled_quantity = quantity"))
        tx.execute(text("UPDATE accounts SET held_cents = 10000, open_orders = 0 WHERE client_id = 'SINGLE'"))
        tx.execute(text("DELETE FROM open_orders"))
    admission = enter(clearing_data, replace(4, 1, quantity=5), replace(5, 2, quantity=5), cancel(6, 1), cancel(7, 2))
    assert reasons(admission) == {4: "unknown_order", 5: None, 6: "unknown_order", 7: None}
    assert commands(enter(clearing_data, mass_cancel(8))).keys() == {(0, 6)}
    with clearing_data.transaction() as tx:
        [log] = tx.execute(text("SELECT command FROM order_log WHERE command_id = 8")).scalars()
    assert log == '["mass_cancel",8,"SINGLE",[2],1000]'


def test_a_mass_cancel_names_what_is_open(clearing_data: Database) -> None:
    enter(
        clearing_data,
        order(1),
        order(2, side="sell"),
        order(3, security_id="TSLA"),
        order(4, security_id="AAPL"),
        order(5, client_id="RETAIL"),
        order(6, quantity=200),
    )
    batch = [mass_cancel(11, side="sell"), order(12), mass_cancel(13), mass_cancel(14, shard=1)]
    admission = enter(clearing_data, *batch)
    assert [command for batch in admission.commands for command in batch.commands if type(command) is MassCancel] == [
        MassCancel(11, "SINGLE", [2], 1_000),
        MassCancel(13, "SINGLE", [1, 3, 12], 1_000),
        MassCancel(14, "SINGLE", [4], 1_000),
    ]
    assert admission.reports[0] == OrderReport(
        11, "mass_cancel", "confirmed", 11, "SINGLE", "", None, None, None, None, 6, 1_000
    )
    assert enter(clearing_data, *batch).commands == admission.commands


def test_a_mass_cancel_of_what_is_not_there_is_denied(clearing_data: Database) -> None:
    batch = [
        mass_cancel(1, shard=2),
        mass_cancel(2, security_id="AAPL"),
        mass_cancel(3, security_id="XXXX"),
        mass_cancel(4, client_id="NOBODY"),
        mass_cancel(5, client_id="DTCC"),
        mass_cancel(6, security_id="MSFT"),
    ]
    for _ in range(2):
        assert reasons(enter(clearing_data, *batch)) == {
            1: "unknown_shard",
            2: None,
            3: "unknown_security",
            4: "unknown_account",
            5: "unknown_account",
            6: None,
        }


def test_a_halt_is_logged_and_stands_until_it_is_lifted(clearing_data: Database) -> None:
    admission = enter(clearing_data, halt(1))
    assert (admission.commands[0].commands, admission.reports) == (
        [SetPhase(1, "MSFT", "halted", "admin", None, 1_000)],
        [],
    )
    assert reasons(enter(clearing_data, order(3))) == {3: "halted"}
    # It comes again, after its end.
    assert commands(enter(clearing_data, halt(4, halted=False), halt(1))) == {(0, 1): 1, (0, 2): 4}
    assert reasons(enter(clearing_data, order(5), order(3))) == {5: None, 3: "halted"}


@pytest.mark.parametrize(("state", "reason"), [("stopped", "client_stopped"), ("closed", "account_closed")])
def test_an_account_that_may_not_trade_may_cancel(clearing_data: Database, state: str, reason: str) -> None:
    enter(clearing_data, order(1), order(2))
    with clearing_data.transaction() as tx:
        tx.execute(text("UPDATE accounts SET state = :state WHERE client_id = 'SINGLE'"), {"state": state})
    admission = enter(clearing_data, order(3), replace(4, 1, quantity=2), cancel(5, 1), mass_cancel(6))
    assert reasons(admission) == {3: reason, 4: reason, 5: None, 6: None}


def test_positions_count_what_is_open(clearing_data: Database) -> None:
    limits = dataclasses.replace(LIMITS, max_position=1_010)
    # SINGLE has 1,000 MSFT.
    enter(clearing_data, order(1, quantity=4), replace(2, 1, quantity=6), order(3, quantity=7, security_id="AAPL"))
    batch = [order(4, quantity=5), order(5, quantity=4), order(6, security_id="AAPL", quantity=60)]
    admission = admit(clearing_data, batch, limits=limits, now_us=1)
    assert reasons(admission) == {4: "position_limit", 5: None, 6: None}
