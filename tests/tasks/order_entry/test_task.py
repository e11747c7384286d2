"""The stage as a process of its own on RabbitMQ and Postgres."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import msgspec
from kombu import Connection
from kombu.message import Message
from sqlalchemy import text

from celery_app import app
from celery_app.publisher import Publisher
from celery_app.topology import DATA_FEED, DEAD_LETTER, ORDER_ENTRY, matching_queue
from db.clearing_data.clients import accounts
from db.clearing_data.log import orders
from db.connect import Database
from tasks.messages import (
    CancelOrder,
    Command,
    CommandBatch,
    EntryBatch,
    FeedBatch,
    MassCancel,
    PlaceOrder,
    ReplaceOrder,
    Request,
    SetPhase,
)
from tests.support.broker import depth, publish, take
from tests.support.entry import assert_books_hold, cancel, halt, mass_cancel, order, replace
from tests.support.worker import Worker


def send(*requests: Request) -> None:
    publisher = Publisher(app)
    publisher.send(ORDER_ENTRY, EntryBatch(list(requests)), size=len(requests))
    publisher.close()


read_commands = msgspec.json.Decoder(tuple[tuple[list[CommandBatch]], dict, object]).decode
read_feed = msgspec.json.Decoder(tuple[tuple[list[FeedBatch]], dict, object]).decode


def sequenced(messages: Sequence[Message]) -> dict[tuple[int, int], Command]:
    """The commands in messages to the engines, by shard and number."""
    return {
        (batch.shard, seq): command
        for message in messages
        for batch in read_commands(message.body)[0][0]
        for seq, command in enumerate(batch.commands, batch.first_seq)
    }


def test_requests_become_commands_and_reports(broker: Connection, clearing_data: Database) -> None:
    with Worker(ORDER_ENTRY) as worker:
        send(order(1), order(2, security_id="AAPL"), order(3, quantity=1_000), cancel(4, order_id=1))
        (to_first, to_second) = (take(broker, matching_queue(shard), 1)[0] for shard in (0, 1))
        (to_feed,) = take(broker, DATA_FEED, 1)
        assert worker.stop() == 0
    assert list(sequenced([to_first])) == [(0, 1), (0, 2)]
    assert list(sequenced([to_second])) == [(1, 1)]
    # The reports of commands travel with them, and only the denial is sent to the feed.
    assert carried([to_first]) == {1: ("order", None), 4: ("cancel", None)}
    assert carried([to_second]) == {2: ("order", None)}
    assert reports([to_feed]) == {3: ("order", "insufficient_funds")}
    assert depth(broker, ORDER_ENTRY) == 0
    with clearing_data.transaction() as tx:
        assert_books_hold(tx)
        assert tx.execute(text("SELECT count(*) FROM orders")).scalar_one() == 3


def test_every_kind_of_request_is_decided(broker: Connection, clearing_data: Database) -> None:
    with Worker(ORDER_ENTRY) as worker:
        send(
            order(1), order(2, side="sell", quantity=5), order(3, type="stop", price_cents=None, stop_price_cents=9_000)
        )
        send(
            replace(4, 1, quantity=2), replace(5, 77, quantity=2), mass_cancel(6, side="sell"), mass_cancel(7, shard=1)
        )
        send(halt(8), order(9), replace(10, 1, quantity=3), cancel(11, 1))
        send(replace(4, 1, quantity=2), mass_cancel(6, side="sell"), halt(8), order(9), mass_cancel(12, shard=61))
        commands: dict[tuple[int, int], Command] = {}
        reported: dict[int, tuple[str, str | None]] = {}
        while len(commands) < 7:
            messages = take(broker, matching_queue(0), 1)
            commands |= sequenced(messages)
            reported |= carried(messages)
        messages = take(broker, matching_queue(1), 1)
        [elsewhere] = sequenced(messages).values()
        reported |= carried(messages)
        while len(reported) < 11:
            reported |= reports(take(broker, DATA_FEED, 1))
        assert worker.stop() == 0
    assert [type(commands[0, seq]) for seq in range(1, 8)] == [
        PlaceOrder,
        PlaceOrder,
        PlaceOrder,
        ReplaceOrder,
        MassCancel,
        SetPhase,
        CancelOrder,
    ]
    assert (commands[0, 5].order_ids, elsewhere.order_ids) == ([2], [])
    assert reported == {
        1: ("order", None),
        2: ("order", None),
        3: ("order", None),
        4: ("replace", None),
        5: ("replace", "unknown_order"),
        6: ("mass_cancel", None),
        7: ("mass_cancel", None),
        9: ("order", "halted"),
        10: ("replace", "halted"),
        11: ("cancel", None),
        12: ("mass_cancel", "unknown_shard"),
    }
    assert depth(broker, ORDER_ENTRY) == depth(broker, DEAD_LETTER) == 0
    with clearing_data.transaction() as tx:
        assert_books_hold(tx)


def test_47_a_replacement_that_waits_in_vain_is_denied(broker: Connection, clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        orders.next_order_ids(tx)
    with Worker(ORDER_ENTRY) as worker:
        send(replace(5, 77, quantity=2))
        assert reports(take(broker, DATA_FEED, 1)) == {5: ("replace", "unknown_order")}
        assert worker.stop() == 0
    with clearing_data.transaction() as tx:
        assert tx.execute(text("SELECT * FROM waiting_replaces")).all() == []


def reports(messages: Sequence[Message]) -> dict[int, tuple[str, str | None]]:
    """Return what messages to the feed report of each request, by its number: its kind, and why it was denied."""
    return _said(feed for message in messages for feed in read_feed(message.body)[0][0])


def carried(messages: Sequence[Message]) -> dict[int, tuple[str, str | None]]:
    """Return the same of messages to the engines."""
    batches = (batch for message in messages for batch in read_commands(message.body)[0][0])
    return _said(msgspec.json.decode(raw, type=FeedBatch) for batch in batches for raw in batch.reports)


def _said(feeds: Iterable[FeedBatch]) -> dict[int, tuple[str, str | None]]:
    return {report.event_id: (report.request, report.reason) for feed in feeds for report in feed.orders}


GOOD = '["order",7,"SINGLE",null,"MSFT","limit","buy",1,10000,"gtc",false,5]'


def body(batch: str) -> str:
    return f'[[[{batch}]],{{}},{{"callbacks":null,"errbacks":null,"chain":null,"chord":null}}]'


def good_but(old: str, new: str) -> str:
    """A message with one order that is valid except for one thing."""
    assert old in GOOD
    return body(f"[[{GOOD.replace(old, new)}]]")


BAD = {
    "a number": "5",
    "null": "null",
    "no JSON": "{'a': 1}",
    "two elements": "[[],{}]",
    "no batch": body("5"),
    "no request": body("[[5]]"),
    "a field too few": good_but(",5]", "]"),
    "a negative quantity": good_but('"buy",1', '"buy",-1'),
    "a quantity of zero": good_but('"buy",1', '"buy",0'),
    "a price with a fraction": good_but("10000", "100.5"),
    "a price that is true": good_but("10000", "true"),
    "an unknown side": good_but("buy", "BUY"),
    "an unknown kind": good_but('"order"', '"replace"'),
    "an order id of 2^53": good_but(",7,", ",9007199254740992,"),
    "a stop price with a fraction": good_but(",5]", ",5,90.5]"),
    "a display quantity of zero": good_but(",5]", ",5,null,0]"),
    "a replacement by a quantity of zero": body('[[["replace",7,"SINGLE","MSFT",3,0,null,5]]]'),
    "a replacement by a price of zero": body('[[["replace",7,"SINGLE","MSFT",3,null,0,5]]]'),
    "a mass cancel of a shard that cannot be": body('[[["mass_cancel",7,"SINGLE",62,null,null,5]]]'),
    "a mass cancel of neither side": body('[[["mass_cancel",7,"SINGLE",0,null,"both",5]]]'),
    "a halt that is neither": body('[[["halt",7,"MSFT",1,5]]]'),
}


def test_33_and_34_a_bad_message_is_a_dead_letter_and_the_next_good_order_trades(
    broker: Connection, clearing_data: Database
) -> None:
    with Worker(ORDER_ENTRY) as worker:
        for name, bad in BAD.items():
            publish(broker, ORDER_ENTRY, bad, headers={"task": ORDER_ENTRY, "id": name, "lang": "py"})
        send(order(1))
        dead = take(broker, DEAD_LETTER, len(BAD))
        assert sequenced(take(broker, matching_queue(0), 1)).keys() == {(0, 1)}
        assert worker.stop() == 0
    assert sorted(message.headers["id"] for message in dead) == sorted(BAD)
    assert depth(broker, ORDER_ENTRY) == depth(broker, DEAD_LETTER) == 0
    with clearing_data.transaction() as tx:
        assert_books_hold(tx)
        assert tx.execute(text("SELECT order_id FROM orders")).scalars().all() == [1]


def test_37_what_is_wrong_with_one_request_is_no_business_of_the_others(
    broker: Connection, clearing_data: Database
) -> None:
    """A message of a thousand orders of five clients, with requests among them that cannot be decided."""
    clients = ("SINGLE", "RETAIL", "GAUSS", "FLOOD", "UNIFORM")
    given = [order(number, client_id=clients[number % 5], price_cents=100) for number in range(1, 1_001)]
    wrong = [
        order(1, client_id="RETAIL", price_cents=100, received_us=9),  # a copy
        order(2, client_id="GAUSS", price_cents=100, quantity=7),
        cancel(3, 1),
        halt(1_001, "XXXX"),
        order(1_002, client_order_id="a\x00b"),
        order(1_003, security_id="a\nb"),
        cancel(1_004, 1, client_id="\x1b[31m"),
        mass_cancel(1_005, shard=61),
    ]
    with Worker(ORDER_ENTRY) as worker:
        send(*given[:400], *wrong, *given[400:])
        reported: dict[int, tuple[str, str | None]] = reports(take(broker, DATA_FEED, 1))
        while len(reported) < 1_001:
            reported |= carried(take(broker, matching_queue(0), 1))
        assert worker.stop() == 0
        dropped = [line for line in worker.log.splitlines() if "request_dropped" in line]
    assert reported.pop(1_005) == ("mass_cancel", "unknown_shard")
    assert reported == dict.fromkeys(range(1, 1001), ("order", None))
    assert [("number_reused" in line, "control_character" in line) for line in dropped] == [(True, False)] * 2 + [
        (False, True)
    ] * 3
    assert depth(broker, ORDER_ENTRY) == depth(broker, DEAD_LETTER) == 0
    with clearing_data.transaction() as tx:
        assert_books_hold(tx)
        denied = tx.execute(text("SELECT command_id, reason, report IS NOT NULL FROM denials ORDER BY 1")).all()
    assert denied == [(1_001, "unknown_security", False), (1_005, "unknown_shard", True)]


def test_killed_workers_lose_nothing_and_do_nothing_twice(broker: Connection, clearing_data: Database) -> None:
    # Affordable together, so that the outcome does not depend on their order.
    batches = [
        [order(number, side=side) for number, side in zip(range(start, start + 10), ["buy", "sell"] * 5, strict=True)]
        for start in range(1, 1_001, 10)
    ]
    with clearing_data.transaction() as tx:
        accounts.deposit_cash(tx, "SINGLE", "t1", amount_cents=500 * 10_000, now_us=1)
    publisher = Publisher(app)
    with Worker(ORDER_ENTRY) as first, Worker(ORDER_ENTRY) as second:
        for position, batch in enumerate(batches):
            publisher.send(ORDER_ENTRY, EntryBatch(batch), size=len(batch))
            if position in {30, 60}:
                first.kill()
                first.start()
            if position == 45:
                second.kill()
                second.start()
        commands: dict[tuple[int, int], Command] = {}
        while len(commands) < 1_000:
            commands |= sequenced(take(broker, matching_queue(0), 1))
        assert first.stop() == second.stop() == 0
    publisher.close()
    assert commands.keys() == {(0, seq) for seq in range(1, 1_001)}
    assert {command.order_id for command in commands.values()} == set(range(1, 1_001))
    with clearing_data.transaction() as tx:
        assert_books_hold(tx)
        assert accounts.account(tx, "SINGLE").open_orders == 1_000


def end_backends(database: Database) -> bool:
    """End the stage's connections to Postgres; False when it had none."""
    backends = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = :stage AND datname = current_database()"
    )
    with database.transaction() as tx:
        return bool(tx.execute(text(backends), {"stage": ORDER_ENTRY}).all())


def test_a_unit_waits_for_postgres(broker: Connection, clearing_data: Database) -> None:
    with Worker(ORDER_ENTRY) as worker:
        with clearing_data.transaction() as tx:
            # So that the worker's connection ends within its transaction.
            tx.execute(text("SELECT 1 FROM accounts WHERE client_id = 'SINGLE' FOR UPDATE"))
            send(order(1))
            deadline = time.monotonic() + 60
            while not end_backends(clearing_data):
                assert time.monotonic() < deadline, "the worker did not come to Postgres"
                time.sleep(0.02)
            worker.wait_for_log("unit_delayed")
        assert sequenced(take(broker, matching_queue(0), 1)).keys() == {(0, 1)}
        assert worker.stop() == 0
    assert depth(broker, DEAD_LETTER) == 0
