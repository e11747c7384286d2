"""Units in a real database: what is admitted is held, logged and told, once, whoever brings it and how often."""

from __future__ import annotations

import dataclasses
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from db.clearing_data.clients import accounts
from db.clearing_data.log import admission as tables
from db.clearing_data.log import orders, waiting_replaces
from db.clearing_data.log.admission import NEVER_US
from db.connect import Database
from tasks.matching.rules.engine import Engine
from tasks.messages import MassCancel, OrderReport, PlaceOrder, Request, SetPhase, decode_command
from tasks.order_entry.admit import Admission, admit
from tasks.order_entry.rules.decisions import Dropped, number_of
from tests.support.clearing_rows import order_by_client_order_id
from tests.support.entry import LIMITS, assert_books_hold, cancel, halt, mass_cancel, order, replace


def enter(database: Database, *requests: Request, now_us: int = 1_000) -> Admission:
    admission = admit(database, requests, limits=LIMITS, now_us=now_us)
    with database.transaction() as tx:
        assert_books_hold(tx)
    return admission


def commands(admission: Admission) -> dict[tuple[int, int], int]:
    """(shard, seq) of everything that went to the engines, and the number of its request."""
    return {
        (batch.shard, seq): command.order_id if isinstance(command, PlaceOrder) else command.command_id
        for batch in admission.commands
        for seq, command in enumerate(batch.commands, batch.first_seq)
    }


def reasons(admission: Admission) -> dict[int, str | None]:
    return {report.event_id: report.reason for report in admission.reports}


def test_an_admitted_order_is_held_logged_and_told(clearing_data: Database) -> None:
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


def test_20_a_denied_order_is_registered_and_told(clearing_data: Database) -> None:
    admission = enter(clearing_data, order(1, quantity=101), order(2, side="sell", quantity=1_001))
    assert admission.commands == []
    assert reasons(admission) == {1: "insufficient_funds", 2: "insufficient_holdings"}
    with clearing_data.transaction() as tx:
        page = orders.orders_page(
            tx, client_id="SINGLE", status="closed", security_id=None, before_order_id=None, limit=9
        )
        assert [(found.order_id, found.status, found.reason) for found in page] == [
            (2, "rejected", "insufficient_holdings"),
            (1, "rejected", "insufficient_funds"),
        ]


def test_orders_of_nobody_and_of_the_counterparty_are_denied(clearing_data: Database) -> None:
    admission = enter(clearing_data, order(1, client_id="NOBODY"), order(2, client_id="DTCC", side="sell"))
    assert reasons(admission) == {1: "unknown_account", 2: "unknown_account"}


def test_commands_go_to_the_shards_of_their_securities_in_order(clearing_data: Database) -> None:
    securities = ["MSFT", "AAPL", "TSLA", "JPM", "SHEL", "AAPL"]
    unit = [order(number, security_id=security) for number, security in enumerate(securities, 1)]
    assert commands(enter(clearing_data, *unit)) == {
        (0, 1): 1,
        (0, 2): 3,
        (0, 3): 5,
        (1, 1): 2,
        (1, 2): 4,
        (1, 3): 6,
    }
    assert commands(enter(clearing_data, order(7), order(8, security_id="AAPL"))) == {(0, 4): 7, (1, 4): 8}


def test_a_unit_that_comes_again_changes_nothing_and_is_told_again(clearing_data: Database) -> None:
    unit = [
        order(1, quantity=60),
        order(2, quantity=60),
        cancel(3, order_id=1),
        cancel(4, order_id=2),
        order(5, security_id="AAPL"),
    ]
    first = enter(clearing_data, *unit)
    again = enter(clearing_data, *unit, now_us=2_000)
    assert again.commands == first.commands
    assert reasons(again) == reasons(first) == {1: None, 2: "insufficient_funds", 3: None, 4: "unknown_order", 5: None}


def test_what_comes_twice_in_a_unit_counts_once(clearing_data: Database) -> None:
    admission = enter(clearing_data, order(1), order(2), order(1), cancel(3, 2), cancel(3, 2))
    assert commands(admission) == {(0, 1): 1, (0, 2): 2, (0, 3): 3}
    assert len(admission.reports) == 3


def test_known_and_new_requests_in_one_unit(clearing_data: Database) -> None:
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


def test_21_nobody_cancels_anothers_order(clearing_data: Database) -> None:
    enter(clearing_data, order(1))
    assert reasons(enter(clearing_data, cancel(2, order_id=1, client_id="RETAIL"))) == {2: "unknown_order"}


def test_a_client_order_id_is_one_order_over_all_units(clearing_data: Database) -> None:
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
    units: list[list[Request]] = []
    for start in range(1, 601, 20):
        unit: list[Request] = [
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
        units.append([*unit, cancel(start + 19, chance.randint(1, 2_000), client_id=chance.choice(clients))])

    def work(seed: int) -> list[Admission]:
        mine = [list(unit) for unit in units]
        random.Random(seed).shuffle(mine)
        return [admit(clearing_data, unit, limits=LIMITS, now_us=seed) for unit in mine]

    with ThreadPoolExecutor(4) as workers:
        told = list(workers.map(work, range(1, 5)))
    with clearing_data.transaction() as tx:
        assert_books_hold(tx)
        logged = {
            (shard, seq): number
            for shard, seq, number, _ in tx.execute(text("SELECT shard, seq, command_id, command FROM order_log"))
        }
        denied = dict(tx.execute(text("SELECT command_id, reason FROM denials")).all())
    assert sorted([*logged.values(), *denied]) == list(range(1, 601))
    assert denied
    for admissions in told:
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


# -- replacements, mass cancels and halts --------------------------------------------------------------------------


def held(database: Database) -> tuple[int, int]:
    """Cents and shares of MSFT that are held for SINGLE."""
    with database.transaction() as tx:
        [shares] = [one.held for one in accounts.holdings(tx, "SINGLE") if one.security_id == "MSFT"]
        return accounts.account(tx, "SINGLE").held_cents, shares


def test_a_replacement_is_reserved_logged_and_told(clearing_data: Database) -> None:
    enter(clearing_data, order(1, quantity=3), order(2, quantity=30, side="sell"))
    unit = [replace(3, 1, quantity=5, price_cents=11_000), replace(4, 2, quantity=40), replace(5, 1, quantity=1)]
    first = enter(clearing_data, *unit)
    assert first.reports == [
        OrderReport(3, "replace", "confirmed", 1, "SINGLE", "MSFT", None, 5, 11_000, None, 6, 1_000),
        OrderReport(4, "replace", "confirmed", 2, "SINGLE", "MSFT", None, 40, None, None, 6, 1_000),
        OrderReport(5, "replace", "confirmed", 1, "SINGLE", "MSFT", None, 1, None, None, 6, 1_000),
    ]
    assert [command.reserved for command in first.commands[0].commands] == [25_000, 10, 0]
    assert held(clearing_data) == (55_000, 40)
    again = enter(clearing_data, *unit, now_us=2_000)
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
    unit = [mass_cancel(11, side="sell"), order(12), mass_cancel(13), mass_cancel(14, shard=1)]
    admission = enter(clearing_data, *unit)
    assert [command for batch in admission.commands for command in batch.commands if type(command) is MassCancel] == [
        MassCancel(11, "SINGLE", [2], 1_000),
        MassCancel(13, "SINGLE", [1, 3, 12], 1_000),
        MassCancel(14, "SINGLE", [4], 1_000),
    ]
    assert admission.reports[0] == OrderReport(
        11, "mass_cancel", "confirmed", 11, "SINGLE", "", None, None, None, None, 6, 1_000
    )
    assert enter(clearing_data, *unit).commands == admission.commands


def test_a_mass_cancel_of_what_is_not_there_is_denied(clearing_data: Database) -> None:
    unit = [
        mass_cancel(1, shard=2),
        mass_cancel(2, security_id="AAPL"),
        mass_cancel(3, security_id="XXXX"),
        mass_cancel(4, client_id="NOBODY"),
        mass_cancel(5, client_id="DTCC"),
        mass_cancel(6, security_id="MSFT"),
    ]
    for _ in range(2):
        assert reasons(enter(clearing_data, *unit)) == {
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
    unit = [order(4, quantity=5), order(5, quantity=4), order(6, security_id="AAPL", quantity=60)]
    admission = admit(clearing_data, unit, limits=limits, now_us=1)
    assert reasons(admission) == {4: "position_limit", 5: None, 6: None}


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
    told = {report.event_id: report for report in again.reports}
    assert [told[1], told[2]] == first.reports
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
    units = [given[:10], given[10:], cancels]
    with ThreadPoolExecutor(3) as workers:
        list(
            workers.map(
                lambda unit: admit(clearing_data, unit, limits=LIMITS, now_us=1),
                units[attempt % 3 :] + units[: attempt % 3],
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
