"""Several order-entry workers at once, with all the stages behind them: one log without a gap, and the audit passes."""

from __future__ import annotations

import random
import time
from contextlib import ExitStack

from kombu import Connection
from sqlalchemy import text

from celery_app.clock import now_us
from celery_app.publisher import Publisher
from celery_app.settings import settings
from celery_app.topology import DATA_FEED, DEAD_LETTER, ORDER_ENTRY, ORDER_EXECUTION, matching_queue
from db.clearing_data.log import orders
from db.connect import Database
from tasks.audit.audit import audit
from tasks.matching.rules.engine import Engine
from tasks.messages import EntryBatch, OrderRequest, Request, decode_command
from tests.support.broker import depth
from tests.support.entry import cancel, halt, mass_cancel, order, replace
from tests.support.worker import Worker

CLIENTS = ("SINGLE", "RETAIL", "GAUSS", "FLOOD", "UNIFORM")
SECURITIES = ("MSFT", "MSFT", "AAPL")
REQUESTS = 4_000
A_MESSAGE = 20


def mixed_requests(clearing_data: Database, seed: int) -> list[Request]:
    """Requests of every kind, of which many name the same few orders."""
    chance = random.Random(seed)
    with clearing_data.transaction() as tx:
        numbers = iter([number for _ in range(REQUESTS // 1_000) for number in orders.next_order_ids(tx)])
    requests: list[Request] = []
    placed: list[OrderRequest] = []
    for number in numbers:
        draw = chance.randrange(1_000)
        if placed and draw < 300:
            of = chance.choice(placed[-100:])
            target = {"client_id": of.client_id, "security_id": of.security_id, "received_us": number}
            if draw < 120:
                requests.append(cancel(number, of.order_id, **target))
            else:
                quantity, price_cents = chance.choice([(None, 1), (1, None), (1, 1)])
                terms = {
                    "quantity": quantity and chance.randint(1, 20),
                    "price_cents": price_cents and 10_000 + chance.randint(-20, 20),
                }
                requests.append(replace(number, of.order_id, **target, **terms))
        elif draw < 310:
            requests.append(
                mass_cancel(number, client_id=chance.choice(CLIENTS), shard=chance.randrange(2), received_us=number)
            )
        elif draw < 314:
            requests.append(halt(number, chance.choice(SECURITIES), halted=chance.random() < 0.3))
        else:
            requests.append(_order(chance, number))
            placed.append(requests[-1])
    return requests


def _order(chance: random.Random, number: int) -> OrderRequest:
    kind = chance.choice(["limit"] * 6 + ["market", "stop", "stop_limit", "iceberg"])
    price_cents = 10_000 + chance.randint(-20, 20)
    quantity = chance.randint(2, 12)
    return order(
        number,
        client_id=chance.choice(CLIENTS),
        security_id=chance.choice(SECURITIES),
        type="limit" if kind == "iceberg" else kind,
        side=chance.choice(["buy", "sell"]),
        quantity=quantity,
        price_cents=price_cents if kind in {"limit", "stop_limit", "iceberg"} else None,
        stop_price_cents=10_000 + chance.randint(-20, 20) if kind in {"stop", "stop_limit"} else None,
        display_quantity=chance.randint(1, quantity - 1) if kind == "iceberg" else None,
        received_us=number,
    )


def test_three_workers_with_requests_of_every_kind(
    broker: Connection, clearing_data: Database, market_data: Database, publisher: Publisher
) -> None:
    queues = [ORDER_ENTRY] * 3 + [matching_queue(0), matching_queue(1), ORDER_EXECUTION, DATA_FEED]
    requests = mixed_requests(clearing_data, seed=11)
    with ExitStack() as stack:
        workers = [Worker(queue) for queue in queues]
        for worker in workers:
            stack.callback(worker.teardown)
            worker.launch()
        for worker in workers:
            worker.wait_ready()
        for start in range(0, REQUESTS, A_MESSAGE):
            publisher.send(ORDER_ENTRY, EntryBatch(requests[start : start + A_MESSAGE]), size=A_MESSAGE)
        wait_until_decided(clearing_data, REQUESTS)
        seen = audit(
            clearing_data,
            market_data,
            broker_url=settings().broker_url.get_secret_value(),
            patience_s=20.0,
        )
        assert seen.passed, [rule for rule in seen.rules if not rule.passed]
        assert [worker.stop() for worker in workers] == [0] * len(workers)
    assert depth(broker, DEAD_LETTER) == 0
    with clearing_data.snapshot() as tx:
        kinds = dict(tx.execute(text("SELECT kind, count(*) FROM executions GROUP BY kind")).all())
        logged = tx.execute(text("SELECT command::json->>0, count(*) FROM order_log GROUP BY 1")).all()
    # It was no idle talk.
    assert kinds.keys() >= {"trade", "cancelled", "replaced", "replace_refused"}
    assert {kind for kind, _ in logged} == {"place", "cancel", "replace", "mass_cancel", "phase"}


def test_47_sixty_cancels_that_two_workers_may_handle_before_the_orders(
    broker: Connection, clearing_data: Database, publisher: Publisher
) -> None:
    """Each cancel is sent behind its orders, as after their 202; which worker gets to Postgres first is chance."""
    with clearing_data.transaction() as tx:
        numbers = iter([number for _ in range(5) for number in orders.next_order_ids(tx)])
        securities = list(tx.execute(text("SELECT security_id, shard FROM securities ORDER BY 1")).all())
    sent, began_us = 0, now_us()  # order entry soon forgets the cancel of an order that it received days ago
    with Worker(ORDER_ENTRY) as first, Worker(ORDER_ENTRY) as second:
        for attempt in range(60):
            # No two mass cancels have the same filter, so that none makes up for another.
            client_id = CLIENTS[attempt % 5]
            security_id, shard = securities[attempt // 5 % len(securities)]
            terms: dict[str, object] = {"client_id": client_id, "security_id": security_id}
            ordered_us = began_us + attempt * 10
            given = [order(next(numbers), **terms, price_cents=100, received_us=ordered_us) for _ in range(50)]
            terms["received_us"] = ordered_us + 1
            if attempt < 5 * len(securities):
                cancels: list[Request] = [mass_cancel(next(numbers), **terms, shard=shard)]
            else:
                cancels = [cancel(next(numbers), one.order_id, **terms) for one in given]
            for requests in (given, cancels):
                publisher.send(ORDER_ENTRY, EntryBatch(requests), size=len(requests))
                sent += len(requests)
        wait_until_decided(clearing_data, sent)
        assert first.stop() == second.stop() == 0
    with clearing_data.snapshot() as tx:
        rows = tx.execute(text("SELECT shard, seq, command FROM order_log ORDER BY shard, seq")).all()
    engines = {shard: Engine(shard) for shard in {row.shard for row in rows}}
    for shard, seq, command in rows:
        engines[shard].apply(seq, decode_command(command))
    books = [book for engine in engines.values() for book in engine.state().books]
    assert [one.order_id for book in books for one in book.bids] == []
    assert depth(broker, DEAD_LETTER) == 0


def wait_until_decided(clearing_data: Database, count: int) -> None:
    """Return when order entry has decided this many requests. Raises AssertionError when it stops before."""
    query = text("SELECT (SELECT count(*) FROM order_log) + (SELECT count(*) FROM denials)")
    deadline = time.monotonic() + 60
    while True:
        with clearing_data.snapshot() as tx:
            decided = tx.execute(query).scalar_one()
        if decided == count:
            return
        assert time.monotonic() < deadline, f"{decided} of {count} requests were decided"
        time.sleep(0.1)
