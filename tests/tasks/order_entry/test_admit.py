"""Batches in a real database: each request is held, logged and reported once, however often workers get it."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from db.clearing_data.clients import accounts
from db.clearing_data.log import orders
from db.connect import Database
from tasks.messages import OrderReport, Request
from tasks.order_entry.admit import Admission, admit
from tasks.order_entry.rules.decisions import Dropped
from tests.support.clearing_rows import order_by_client_order_id
from tests.support.entry import LIMITS, assert_books_hold, cancel, order, replace
from tests.tasks.order_entry.admissions import commands, enter, reasons
from tests.tasks.order_entry.test_admit_changes import held


def test_an_admitted_order_is_held_logged_and_reported(clearing_data: Database) -> None:
    admission = enter(clearing_data, order(17, client_order_id="my-1", quantity=3))
    assert admission.reports == [
        OrderReport(17, "order", "confirmed", 17, "SINGLE", "MSFT", "buy", 3, 10_000, None, 5, 1_000)
    ]
    [batch] = admission.commands
    assert (batch.shard, batch.first_seq) == (0, 1)
    with clearing_data.transaction() as tx:
        [(shard, seq, command)] = tx.execute(text("SELECT shard, seq, command FROM order_log"))
        assert (shard, seq) == (0, 1)
        assert command == '["place",17,"SINGLE","MSFT","limit","buy",3,10000,"gtc",false,1000,null,null,10000,null]'
        account = accounts.account(tx, "SINGLE")
        assert (account.balance_cents, account.held_cents, account.open_orders) == (1_000_000, 30_000, 1)
        found = order_by_client_order_id(tx, "SINGLE", "my-1")
        assert (found.order_id, found.status, found.created_us, found.updated_us) == (17, "new", 5, 1_000)


def test_every_kind_of_order_is_registered_with_its_terms(clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        tx.execute(text("UPDATE securities SET taker_fee_ppm = 10000 WHERE security_id = 'MSFT'"))
    enter(
        clearing_data,
        order(1, type="stop", price_cents=None, stop_price_cents=9_000),
        order(2, type="stop_limit", stop_price_cents=9_500, side="sell"),
        order(3, quantity=10, display_quantity=3),
    )
    with clearing_data.transaction() as tx:
        rows = tx.execute(
            text(
                "SELECT order_id, type, time_in_force, price_cents, stop_price_cents, display_quantity, "
                "hold_cents, fee_ppm FROM orders ORDER BY order_id"
            )
        ).all()
        assert rows == [
            (1, "stop", "ioc", None, 9_000, None, 9_900, 10_000),
            (2, "stop_limit", "gtc", 10_000, 9_500, None, 10_000, 0),
            (3, "limit", "gtc", 10_000, None, 3, 10_000, 10_000),
        ]
        assert accounts.account(tx, "SINGLE").held_cents == 9_999 + 101_000


def test_a_market_order_is_registered_without_a_price(clearing_data: Database) -> None:
    admission = enter(clearing_data, order(1, type="market", price_cents=None, quantity=2))
    assert admission.commands[0].commands[0].price_cents == 11_000
    assert admission.reports[0].price_cents is None
    with clearing_data.transaction() as tx:
        found = orders.order(tx, 1)
        assert (found.price_cents, found.time_in_force) == (None, "ioc")
        assert accounts.account(tx, "SINGLE").held_cents == 22_000


def test_the_collar_is_that_of_the_last_price_that_has_settled(clearing_data: Database) -> None:
    """Order entry sequences and does not trade: what the orders before a market order will pay it cannot know."""
    lifting = [order(1, side="sell", price_cents=10_900), order(2, price_cents=10_900)]
    admission = enter(clearing_data, *lifting, order(3, type="market", price_cents=None))
    assert admission.commands[0].commands[2].price_cents == 11_000
    with clearing_data.transaction() as tx:
        tx.execute(text("UPDATE last_prices SET price_cents = 10900, event_id = 1 WHERE security_id = 'MSFT'"))
    admission = enter(clearing_data, order(4, type="market", price_cents=None))
    assert admission.commands[0].commands[0].price_cents == 11_990


def test_20_a_denied_order_is_registered_and_reported(clearing_data: Database) -> None:
    admission = enter(clearing_data, order(1, quantity=101), order(2, side="sell", quantity=1_001))
    assert admission.commands == []
    assert reasons(admission) == {1: "insufficient_funds", 2: "insufficient_holdings"}
    with clearing_data.transaction() as tx:
        page = orders.orders_page(
            tx, client_id="SINGLE", status="closed", security_id=None, before_order_id=None, limit=9
        )
        assert [(found.order_id, found.status, found.reason, found.shortfall) for found in page] == [
            (2, "rejected", "insufficient_holdings", [1_001, 1_000]),
            (1, "rejected", "insufficient_funds", [1_010_000, 1_000_000]),
        ]


def test_orders_of_no_account_and_of_the_counterparty_are_denied(clearing_data: Database) -> None:
    admission = enter(clearing_data, order(1, client_id="NOBODY"), order(2, client_id="DTCC", side="sell"))
    assert reasons(admission) == {1: "unknown_account", 2: "unknown_account"}


def test_commands_go_to_the_shards_of_their_securities_in_order(clearing_data: Database) -> None:
    securities = ["MSFT", "AAPL", "TSLA", "JPM", "SHEL", "AAPL"]
    batch = [order(number, security_id=security) for number, security in enumerate(securities, 1)]
    assert commands(enter(clearing_data, *batch)) == {
        (0, 1): 1,
        (0, 2): 3,
        (0, 3): 5,
        (1, 1): 2,
        (1, 2): 4,
        (1, 3): 6,
    }
    assert commands(enter(clearing_data, order(7), order(8, security_id="AAPL"))) == {(0, 4): 7, (1, 4): 8}


def test_a_batch_that_comes_again_changes_nothing_and_is_reported_again(clearing_data: Database) -> None:
    batch = [
        order(1, quantity=60),
        order(2, quantity=60),
        cancel(3, order_id=1),
        cancel(4, order_id=2),
        order(5, security_id="AAPL"),
    ]
    first = enter(clearing_data, *batch)
    again = enter(clearing_data, *batch, now_us=2_000)
    assert again.commands == first.commands
    assert reasons(again) == reasons(first) == {1: None, 2: "insufficient_funds", 3: None, 4: "unknown_order", 5: None}


def test_what_comes_twice_in_a_unit_counts_once(clearing_data: Database) -> None:
    admission = enter(clearing_data, order(1), order(2), order(1), cancel(3, 2), cancel(3, 2))
    assert commands(admission) == {(0, 1): 1, (0, 2): 2, (0, 3): 3}
    assert len(admission.reports) == 3


def test_known_and_new_requests_in_one_batch(clearing_data: Database) -> None:
    for number in (1, 2, 3):
        enter(clearing_data, order(number))
    admission = enter(clearing_data, order(4), order(1), order(5), order(3))
    assert commands(admission) == {(0, 1): 1, (0, 3): 3, (0, 4): 4, (0, 5): 5}
    assert [batch.first_seq for batch in admission.commands] == [4, 1, 3]


def test_a_denial_stands_though_the_order_could_be_paid_for_by_now(clearing_data: Database) -> None:
    assert reasons(enter(clearing_data, order(1, quantity=101))) == {1: "insufficient_funds"}
    with clearing_data.transaction() as tx:
        accounts.deposit_cash(tx, "SINGLE", "t1", amount_cents=1_000_000, now_us=1)
    assert reasons(enter(clearing_data, order(1, quantity=101))) == {1: "insufficient_funds"}


def test_an_admission_stands_though_the_money_is_gone_by_now(clearing_data: Database) -> None:
    first = enter(clearing_data, order(1, quantity=100))
    assert enter(clearing_data, order(1, quantity=100)).commands == first.commands


def test_a_cancel_that_was_sequenced_stays_so_when_its_order_is_closed(clearing_data: Database) -> None:
    first = enter(clearing_data, order(1), cancel(2, order_id=1))
    with clearing_data.transaction() as tx:
        tx.execute(text("UPDATE orders SET status = 'cancelled', closed_quantity = quantity"))
        tx.execute(text("UPDATE accounts SET held_cents = 0, open_orders = 0"))
        tx.execute(text("DELETE FROM open_orders"))
    again = enter(clearing_data, cancel(2, order_id=1), cancel(3, order_id=1))
    assert commands(again) == {(0, 2): 2}
    assert commands(first) == {(0, 1): 1, (0, 2): 2}
    assert reasons(again) == {2: None, 3: "unknown_order"}


def test_21_a_cancel_of_an_order_that_was_never_given_out_stays_denied(clearing_data: Database) -> None:
    assert reasons(enter(clearing_data, cancel(1, order_id=900))) == {1: "unknown_order"}
    with clearing_data.transaction() as tx:
        assert 900 in orders.next_order_ids(tx)
    assert reasons(enter(clearing_data, cancel(1, order_id=900))) == {1: "unknown_order"}
    assert reasons(enter(clearing_data, cancel(2, order_id=900))) == {2: "unknown_order"}
    assert reasons(enter(clearing_data, cancel(3, order_id=1_001))) == {3: "unknown_order"}


def test_21_no_client_cancels_anothers_order(clearing_data: Database) -> None:
    enter(clearing_data, order(1))
    assert reasons(enter(clearing_data, cancel(2, order_id=1, client_id="RETAIL"))) == {2: "unknown_order"}


def test_a_client_order_id_is_one_order_over_all_batches(clearing_data: Database) -> None:
    enter(clearing_data, order(1, client_order_id="a"), order(2, client_order_id="b", quantity=101))
    admission = enter(
        clearing_data,
        order(3, client_order_id="a"),
        order(4, client_order_id="b"),
        order(5, client_order_id="a", client_id="RETAIL"),
        order(6),
    )
    assert reasons(admission) == {3: "duplicate_client_order_id", 4: "duplicate_client_order_id", 5: None, 6: None}
    with clearing_data.transaction() as tx:
        assert order_by_client_order_id(tx, "SINGLE", "a").order_id == 1
        assert orders.order(tx, 3).client_order_id is None


def test_a_lone_order_whose_client_order_id_is_taken(clearing_data: Database) -> None:
    enter(clearing_data, order(1, client_order_id="a"))
    for _ in range(2):
        assert reasons(enter(clearing_data, order(2, client_order_id="a"))) == {2: "duplicate_client_order_id"}


def test_an_empty_unit_is_nothing(clearing_data: Database) -> None:
    assert enter(clearing_data) == Admission([], [])


def test_names_that_look_like_rows_stay_names(clearing_data: Database) -> None:
    name = 'a\\N,"b",null'
    enter(clearing_data, order(1, client_order_id=name, security_id='x"\\'), order(2, client_order_id="null"))
    with clearing_data.transaction() as tx:
        assert order_by_client_order_id(tx, "SINGLE", name).security_id == 'x"\\'
        assert order_by_client_order_id(tx, "SINGLE", "null").order_id == 2


@pytest.mark.parametrize("name", ["a\x00b", "a\nb", "a\tb"])
def test_a_request_with_a_control_character_is_dropped_alone(clearing_data: Database, name: str) -> None:
    wrong = [cancel(3, 1, security_id=name), order(2, client_order_id=name)]
    admission = enter(clearing_data, order(1), *wrong)
    assert admission.dropped == [Dropped(one, "control_character") for one in wrong]
    assert reasons(admission) == {1: None}


def test_workers_with_the_same_units_admit_each_request_once(clearing_data: Database) -> None:
    chance = random.Random(1)
    clients, securities = ["SINGLE", "RETAIL", "GAUSS"], ["MSFT", "AAPL"]
    batches: list[list[Request]] = []
    for start in range(1, 601, 20):
        batch: list[Request] = [
            order(
                number,
                client_id=chance.choice(clients),
                security_id=chance.choice(securities),
                side=chance.choice(["buy", "sell"]),
                quantity=chance.randint(1, 40),
                client_order_id=f"c-{chance.randint(1, 500)}",
            )
            for number in range(start, start + 19)
        ]
        batches.append([*batch, cancel(start + 19, chance.randint(1, 2_000), client_id=chance.choice(clients))])

    def work(seed: int) -> list[Admission]:
        mine = [list(batch) for batch in batches]
        random.Random(seed).shuffle(mine)
        return [admit(clearing_data, batch, limits=LIMITS, now_us=seed) for batch in mine]

    with ThreadPoolExecutor(4) as workers:
        outcomes = list(workers.map(work, range(1, 5)))
    with clearing_data.transaction() as tx:
        assert_books_hold(tx)
        logged = {
            (shard, seq): number
            for shard, seq, number, _ in tx.execute(text("SELECT shard, seq, command_id, command FROM order_log"))
        }
        denied = dict(tx.execute(text("SELECT command_id, reason FROM denials")).all())
    assert sorted([*logged.values(), *denied]) == list(range(1, 601))
    assert denied
    for admissions in outcomes:
        assert {key: number for one in admissions for key, number in commands(one).items()} == logged
        assert {n: r for one in admissions for n, r in reasons(one).items() if r} == denied
        assert sum(len(one.reports) for one in admissions) == 600


def test_48_an_order_holds_its_sum_and_the_fee_on_it_rounded_once(clearing_data: Database) -> None:
    """100 shares at 0.01 with 3 bp: 1.00 and the fee on it, which is less than a cent."""
    with clearing_data.transaction() as tx:
        tx.execute(text("UPDATE securities SET taker_fee_ppm = 300"))
    enter(clearing_data, order(1, quantity=100, price_cents=1))
    assert held(clearing_data)[0] == 101
    enter(clearing_data, replace(2, 1, quantity=200, price_cents=2), replace(3, 1, price_cents=1))
    # 300 may come to be needed besides, and 200 at 0.02 have a fee of 0.12 cents.
    assert held(clearing_data)[0] == 100 + 300 + 1
    enter(clearing_data, order(4, quantity=100, price_cents=100), order(5, quantity=3_334, price_cents=1, side="sell"))
    assert held(clearing_data)[0] == 401 + 10_003
