"""The register of orders as the api reads it: pages, fills, order ids and client order ids."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event

from db.clearing_data.log import admission, orders
from db.clearing_data.log.admission import OrderRow
from db.connect import Database, copy_rows
from db.statements import Statements
from tests.support.clearing_rows import order_by_client_order_id

EXECUTION = (
    "event_id",
    "kind",
    "security_id",
    "quantity",
    "price_cents",
    "hold_cents",
    "buy_order_id",
    "sell_order_id",
)
EXECUTION += ("buyer", "seller", "executed_us", "settled_us")


def row(order_id: int, client_id: str = "SINGLE", **terms: object) -> OrderRow:
    fields = {
        "client_order_id": None,
        "security_id": "MSFT",
        "type": "limit",
        "side": "buy",
        "quantity": 10,
        "price_cents": 10_000,
        "hold_cents": 10_000,
        "time_in_force": "gtc",
        "post_only": False,
        "created_us": 1,
        "status": "new",
        "closed_quantity": 0,
        "reason": None,
        "updated_us": 2,
    }
    return OrderRow(order_id=order_id, client_id=client_id, **fields | terms)


@pytest.fixture
def seven_orders(clearing_data: Database) -> Database:
    """Register orders 1 to 6 of SINGLE, the even ones closed, 3 and 4 of TSLA, and order 7 of RETAIL."""
    with clearing_data.transaction() as tx:
        statements = Statements(tx)
        admission.register(
            statements,
            [
                *(
                    row(
                        number,
                        security_id="TSLA" if number in {3, 4} else "MSFT",
                        status="new" if number % 2 else "rejected",
                        client_order_id=f"my-{number}",
                    )
                    for number in range(1, 7)
                ),
                row(7, "RETAIL"),
            ],
        )
        statements.run()
    return clearing_data


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, [7, 6, 5, 4, 3, 2, 1]),
        ({"client_id": "SINGLE"}, [6, 5, 4, 3, 2, 1]),
        ({"client_id": "SINGLE", "limit": 2}, [6, 5]),
        ({"client_id": "SINGLE", "limit": 2, "before_order_id": 5}, [4, 3]),
        ({"client_id": "SINGLE", "limit": 2, "before_order_id": 1}, []),
        ({"client_id": "SINGLE", "status": "open"}, [5, 3, 1]),
        ({"client_id": "SINGLE", "status": "open", "before_order_id": 5, "limit": 1}, [3]),
        ({"client_id": "SINGLE", "status": "closed"}, [6, 4, 2]),
        ({"client_id": "SINGLE", "security_id": "TSLA"}, [4, 3]),
        ({"client_id": "SINGLE", "security_id": "TSLA", "status": "open"}, [3]),
        ({"status": "open"}, [7, 5, 3, 1]),
        ({"client_id": "NOBODY"}, []),
    ],
)
def test_a_page_of_orders(seven_orders: Database, filters: dict[str, object], found: list[int]) -> None:
    everything = {"client_id": None, "status": "all", "security_id": None, "before_order_id": None, "limit": 100}
    with seven_orders.transaction() as tx:
        page = orders.orders_page(tx, **everything | filters)
    assert [order.order_id for order in page] == found


def test_one_order(seven_orders: Database) -> None:
    with seven_orders.transaction() as tx:
        found = orders.order(tx, 1)
        assert (found.client_id, found.client_order_id, found.quantity, found.status) == ("SINGLE", "my-1", 10, "new")
        assert orders.order(tx, 99) is None


def test_an_order_by_its_clients_own_id(seven_orders: Database) -> None:
    with seven_orders.transaction() as tx:
        assert order_by_client_order_id(tx, "SINGLE", "my-3").order_id == 3
        assert order_by_client_order_id(tx, "RETAIL", "my-3") is None


def test_each_side_sees_its_own_fill(clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        copy_rows(
            tx,
            "executions",
            [
                "event_id",
                "kind",
                "security_id",
                "quantity",
                "price_cents",
                "hold_cents",
                "buy_order_id",
                "sell_order_id",
                "buyer",
                "seller",
                "executed_us",
                "settled_us",
            ],
            [(90 + n, "trade", "MSFT", n, 100, 100, 10 + n, 20 + n, "SINGLE", "RETAIL", 5, 6) for n in (1, 2)],
        )
        copy_rows(
            tx,
            "ledger",
            ("event_id", "kind", "account", "contra_account", "security_id", "cash_cents", "shares", "booked_us"),
            [
                (90 + n, "trade", account, "DTCC", "MSFT", -100 * sign * n, sign * n, 6)
                for n in (1, 2)
                for account, sign in (("SINGLE", 1), ("RETAIL", -1))
            ],
        )
        page = {"security_id": None, "before_entry_id": None, "limit": 10}
        bought = orders.fills_page(tx, client_id="SINGLE", **page)
        assert [(f.order_id, f.side, f.quantity, f.price_cents) for f in bought] == [
            (12, "buy", 2, 100),
            (11, "buy", 1, 100),
        ]
        sold = orders.fills_page(tx, client_id="RETAIL", **page)
        assert [(f.order_id, f.side, f.traded_us, f.settled_us) for f in sold] == [
            (22, "sell", 5, 6),
            (21, "sell", 5, 6),
        ]
        assert len(orders.fills_page(tx, client_id=None, **page)) == 4
        page["before_entry_id"] = bought[0].entry_id
        assert orders.fills_page(tx, client_id="SINGLE", **page) == bought[1:]
        assert orders.fills_page(tx, client_id="SINGLE", **page | {"security_id": "TSLA"}) == []


def test_fills_of_units_that_were_booked_side_by_side_are_all_on_a_page(clearing_data: Database) -> None:
    """Two workers book at once: the later of their entries may have the lower number."""
    columns = ("event_id", "kind", "security_id", "quantity", "price_cents", "hold_cents", "executed_us", "settled_us")
    entry = ("event_id", "kind", "account", "contra_account", "security_id", "cash_cents", "shares", "booked_us")
    booked = [6, 8, 6, 7, 8, 8]
    with clearing_data.transaction() as tx:
        trades = [(event_id, "trade", "MSFT", 1, 100, 100, 5, 6) for event_id in range(len(booked))]
        copy_rows(tx, "executions", columns, trades)
        legs = [(n, "trade", "SINGLE", "DTCC", "MSFT", -100, 1, booked_us) for n, booked_us in enumerate(booked)]
        copy_rows(tx, "ledger", entry, legs)
        read, before = [], None
        while page := orders.fills_page(tx, client_id="SINGLE", security_id=None, before_entry_id=before, limit=2):
            read += [fill.event_id for fill in page]
            before = page[-1].entry_id
    assert read == [5, 4, 1, 3, 2, 0]


def test_blocks_of_order_ids_never_meet(clearing_data: Database) -> None:
    def take(_: int) -> range:
        with clearing_data.transaction() as tx:
            return orders.next_order_ids(tx)

    with ThreadPoolExecutor(4) as threads:
        blocks = list(threads.map(take, range(8)))
    assert len({number for block in blocks for number in block}) == sum(map(len, blocks)) == 8_000
    assert min(min(block) for block in blocks) >= 1


def test_the_first_comer_has_the_client_order_id(clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        promises = orders.promise(
            tx,
            [
                ("SINGLE", "a", 1, b"one"),
                ("SINGLE", "b", 2, b"two"),
                ("RETAIL", "a", 3, b"three"),
                ("SINGLE", "a", 4, b"four"),
            ],
        )
        assert {key: (p.order_id, p.digest) for key, p in promises.items()} == {
            ("SINGLE", "a"): (1, b"one"),
            ("SINGLE", "b"): (2, b"two"),
            ("RETAIL", "a"): (3, b"three"),
        }
        again = orders.promise(tx, [("SINGLE", "a", 5, b"five"), ("SINGLE", "c", 6, b"six")])
        assert {key: p.order_id for key, p in again.items()} == {("SINGLE", "a"): 1, ("SINGLE", "c"): 6}
        assert orders.promised(tx, "SINGLE", "c").digest == b"six"
        assert orders.promised(tx, "RETAIL", "c") is None


def test_concurrent_promises_of_the_same_client_order_ids_agree(clearing_data: Database) -> None:
    def promise(comer: int) -> dict[tuple[str, str], int]:
        wanted = [("SINGLE", f"id-{n}", comer * 100 + n, b"d") for n in range(20)]
        with clearing_data.transaction() as tx:
            promises = orders.promise(tx, wanted if comer % 2 else wanted[::-1])
        return {key: p.order_id for key, p in promises.items()}

    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(promise, range(1, 17)))
    assert all(outcome == outcomes[0] for outcome in outcomes)
    assert len(outcomes[0]) == 20


def test_a_promise_that_is_withdrawn_while_another_request_meets_it_is_taken_over(clearing_data: Database) -> None:
    name = "ANN", "mine"
    with clearing_data.transaction() as tx:
        orders.promise(tx, [(*name, 1, b"first")])
    withdrawn: list[bool] = []

    def withdraw(*_: object) -> None:
        if not withdrawn:  # after the insertion that found the promise of the first order in its way
            withdrawn.append(True)
            with clearing_data.transaction() as other:
                orders.withdraw(other, [(*name, 1)])

    with clearing_data.transaction() as tx:
        event.listen(tx, "after_cursor_execute", withdraw)
        assert orders.promise(tx, [(*name, 2, b"second")]) == {name: orders.Promise(2, b"second")}
