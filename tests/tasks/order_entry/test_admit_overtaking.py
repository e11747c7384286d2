"""Requests that overtake each other on their way to order entry, or come twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from db.clearing_data.log import admission as tables
from db.clearing_data.log import orders, waiting_replaces
from db.clearing_data.log.admission import NEVER_US
from db.connect import Database
from tasks.matching.rules.engine import Engine
from tasks.messages import Request, decode_command
from tasks.order_entry.admit import admit
from tasks.order_entry.rules.decisions import Dropped, number_of
from tests.support.entry import LIMITS, assert_books_hold, cancel, halt, mass_cancel, order, replace
from tests.tasks.order_entry.admissions import commands, enter, reasons

# -- a replacement that comes before its order ---------------------------------------------------------------------


def waiting(database: Database) -> list[int]:
    with database.transaction() as tx:
        return [one.command_id for one in waiting_replaces.overdue(tx, since_us=NEVER_US)]


def test_47_a_replacement_that_overtakes_its_order_waits_for_it(clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        orders.next_order_ids(tx)
    early = [
        replace(8, 7, quantity=5),
        replace(9, 7, price_cents=9_900),
        replace(10, 6, client_id="RETAIL", quantity=2),
    ]
    for _ in range(2):
        admission = enter(clearing_data, *early)
        assert (reasons(admission), admission.commands, waiting(clearing_data)) == ({}, [], [8, 9, 10])
    admission = enter(clearing_data, order(6), order(7), order(5))
    assert reasons(admission) == {6: None, 7: None, 8: None, 9: None, 5: None}
    assert [commands(admission)[0, seq] for seq in range(1, 6)] == [6, 7, 8, 9, 5]
    assert waiting(clearing_data) == [10]
    # By now the order is known to be another client's.
    assert reasons(enter(clearing_data, *early)) == {8: None, 9: None, 10: "unknown_order"}


def test_47_a_replacement_whose_order_does_not_come_is_denied_in_the_end(clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        orders.next_order_ids(tx)
    early = [replace(8, 7, quantity=5), replace(9, 6, quantity=5)]
    assert reasons(enter(clearing_data, *early)) == {}
    assert reasons(enter(clearing_data, order(6, quantity=101))) == {6: "insufficient_funds", 9: "unknown_order"}
    for _ in range(2):  # the ticks of two workers
        admission = admit(clearing_data, early[:1], limits=LIMITS, now_us=1, patient=False)
        assert reasons(admission) == {8: "unknown_order"}
    assert waiting(clearing_data) == []
    assert reasons(enter(clearing_data, order(7), *early)) == {7: None, 8: "unknown_order", 9: "unknown_order"}


# -- one number, one request ---------------------------------------------------------------------------------------


def test_37_one_number_for_two_requests_is_one_request_and_the_others_are_as_usual(clearing_data: Database) -> None:
    enter(clearing_data, order(1), replace(2, 1, quantity=2), order(3, quantity=101))
    for number, (wrong, *first) in enumerate(
        [
            (order(100, quantity=2), order(100)),
            (cancel(101, 1), order(101)),
            (order(1, quantity=2),),
            (order(1, price_cents=9_999),),
            (order(1, client_id="RETAIL"),),
            (cancel(1, 1),),
            (cancel(2, 1),),
            (replace(2, 1, quantity=3),),
            (order(3, quantity=102),),
            (cancel(3, 1),),
        ],
        start=10,
    ):
        admission = enter(clearing_data, *first, wrong, order(number))
        assert admission.dropped == [Dropped(wrong, "number_reused")]
        assert reasons(admission) == {number_of(one): None for one in first} | {number: None}
    with clearing_data.transaction() as tx:
        logged = tx.execute(text("SELECT command_id FROM order_log ORDER BY 1")).scalars().all()
        assert logged == [1, 2, *range(10, 20), 100, 101]
        assert tx.execute(text("SELECT command_id FROM denials")).scalars().all() == [3]


def test_37_a_copy_is_reported_as_the_first_was(clearing_data: Database) -> None:
    first = enter(clearing_data, order(1, client_order_id="a"), order(2, quantity=101, client_order_id="b"))
    copies = [order(2, quantity=101, client_order_id="b", received_us=8), order(1, client_order_id="a", received_us=9)]
    again = enter(clearing_data, order(3), *copies)
    reported = {report.event_id: report for report in again.reports}
    assert [reported[1], reported[2]] == first.reports
    assert again.dropped == []


def test_a_halt_of_what_is_not_listed_is_denied(clearing_data: Database) -> None:
    assert commands(enter(clearing_data, halt(1, "XXXX"), order(2))) == {(0, 1): 2}
    with clearing_data.transaction() as tx:
        assert tx.execute(text("SELECT command_id, reason, report IS NOT NULL FROM denials")).all() == [
            (1, "unknown_security", False)
        ]


# -- what comes after a cancel that was sent after it --------------------------------------------------------------


def test_41_a_cancel_of_an_order_that_there_is_not_kills_no_later_one(clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        assert 900 in orders.next_order_ids(tx)
    for number in (900, 1_001):
        assert reasons(enter(clearing_data, cancel(number + 1_000, number, received_us=5))) == {
            number + 1_000: "unknown_order"
        }
        assert reasons(enter(clearing_data, order(number, received_us=6))) == {number: None}


def test_41_a_cancel_that_overtakes_its_order_closes_it(clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        orders.next_order_ids(tx)
    assert reasons(enter(clearing_data, cancel(8, 7), cancel(9, 6, client_id="RETAIL"))) == {
        8: "unknown_order",
        9: "unknown_order",
    }
    assert reasons(enter(clearing_data, order(7), order(6))) == {7: "cancelled", 6: None}
    # It stays so, whatever comes again.
    assert reasons(enter(clearing_data, order(7, received_us=9), cancel(8, 7))) == {
        7: "cancelled",
        8: "unknown_order",
    }


def test_47_what_a_mass_cancel_overtakes_is_cancelled(clearing_data: Database) -> None:
    assert reasons(enter(clearing_data, mass_cancel(1), mass_cancel(2, client_id="RETAIL", side="sell"))) == {
        1: None,
        2: None,
    }
    admission = enter(
        clearing_data,
        order(3),
        order(4, security_id="AAPL"),  # of the other shard
        order(5, received_us=6),
        order(6, client_id="RETAIL"),
        order(7, client_id="RETAIL", side="sell"),
        order(8, client_id="GAUSS"),
    )
    assert reasons(admission) == {3: "cancelled", 4: None, 5: None, 6: None, 7: "cancelled", 8: None}


def test_47_a_client_that_trades_again_loses_what_was_sent_before_it_was_stopped(clearing_data: Database) -> None:
    for state in ("stopped", "open"):
        with clearing_data.transaction() as tx:
            tx.execute(text("UPDATE accounts SET state = :state WHERE client_id = 'SINGLE'"), {"state": state})
        if state == "stopped":
            enter(clearing_data, mass_cancel(1))
    assert reasons(enter(clearing_data, order(2), order(3, received_us=7))) == {2: "cancelled", 3: None}


def test_marks_of_mass_cancels_move_and_those_of_orders_are_forgotten(clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        orders.next_order_ids(tx)
    enter(clearing_data, mass_cancel(1, received_us=20), cancel(2, 7, received_us=20))
    enter(clearing_data, mass_cancel(3, received_us=10), mass_cancel(4, received_us=30), cancel(5, 8, received_us=30))
    with clearing_data.transaction() as tx:
        tables.forget_cancel_marks(tx, before_us=30)
        marks = tx.execute(text("SELECT order_id, before_us FROM cancel_marks ORDER BY 1")).all()
    assert marks == [(0, 30), (8, 30)]


@pytest.mark.parametrize("attempt", range(60))
def test_47_two_workers_and_a_cancel_that_was_sent_after_the_orders(clearing_data: Database, attempt: int) -> None:
    with clearing_data.transaction() as tx:
        orders.next_order_ids(tx)
    given = [order(number, client_order_id=f"c-{number}") for number in range(1, 21)]
    cancels: list[Request] = [mass_cancel(900, received_us=6)] if attempt % 2 else [cancel(900 + n, n) for n in (1, 20)]
    batches = [given[:10], given[10:], cancels]
    with ThreadPoolExecutor(3) as workers:
        list(
            workers.map(
                lambda batch: admit(clearing_data, batch, limits=LIMITS, now_us=1),
                batches[attempt % 3 :] + batches[: attempt % 3],
            )
        )
    with clearing_data.transaction() as tx:
        assert_books_hold(tx)
        logged = [
            decode_command(line) for line in tx.execute(text("SELECT command FROM order_log ORDER BY seq")).scalars()
        ]
    engine = Engine(0)
    for seq, command in enumerate(logged, 1):
        engine.apply(seq, command)
    still_open = sorted(one.order_id for book in engine.state().books for one in (*book.bids, *book.asks))
    assert still_open == ([] if attempt % 2 else list(range(2, 20)))
