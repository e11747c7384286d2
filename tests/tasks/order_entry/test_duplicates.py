"""Copies of requests that are under way together: one order, one report, and no harm to anyone else."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs
from sqlalchemy import text

from db.connect import Database
from tasks.data_feed.record import record
from tasks.messages import FeedBatch, OrderRequest
from tasks.order_entry.admit import Admission, admit
from tests.support.entry import LIMITS, assert_books_hold, order
from tests.support.feed import empty

CLIENTS = ("SINGLE", "RETAIL", "GAUSS", "FLOOD", "UNIFORM")


def orders_of_all(count: int) -> list[OrderRequest]:
    """Orders that are affordable together, one number after the other."""
    return [
        order(number, client_id=CLIENTS[number % 5], client_order_id=f"c-{number}", price_cents=100, received_us=number)
        for number in range(1, count + 1)
    ]


def assert_once_each(clearing_data: Database, market_data: Database, admissions: list[Admission], count: int) -> None:
    """Each order is in the log once and has one report, however often and by which worker it was handled."""
    with clearing_data.transaction() as tx:
        assert_books_hold(tx)
        logged = tx.execute(text("SELECT command_id FROM order_log ORDER BY 1")).scalars().all()
    assert logged == list(range(1, count + 1))
    for admission in admissions:
        record(market_data, [FeedBatch("order_entry", 1, orders=admission.reports)], taken_us=1)
    with market_data.snapshot() as tx:
        reports = tx.execute(text("SELECT report_id, confirmed FROM reports ORDER BY 1")).all()
        numbered = tx.execute(text("SELECT client_id, max(sequence), count(*) FROM reports GROUP BY client_id")).all()
    assert reports == [(number, True) for number in range(1, count + 1)]
    assert all(highest == reported for _, highest, reported in numbered)


def test_37_copies_among_a_thousand_orders_in_one_message_and_in_those_of_other_workers(
    clearing_data: Database, market_data: Database
) -> None:
    given_ = orders_of_all(1_000)
    chance = random.Random(37)
    copies = [structs.replace(one, received_us=one.received_us + 5_000) for one in chance.sample(given_, 200)]
    mixed = [*given_, *copies[:100]]
    chance.shuffle(mixed)
    batches = [mixed, copies[100:], copies]
    with ThreadPoolExecutor(3) as workers:
        admissions = list(workers.map(lambda batch: admit(clearing_data, batch, limits=LIMITS, now_us=1), batches))
    assert [admission.dropped for admission in admissions] == [[], [], []]
    assert_once_each(clearing_data, market_data, admissions, 1_000)


@given(
    copies=st.lists(st.tuples(st.integers(1, 20), st.integers(0, 2), st.integers(0, 50)), max_size=40),
    different=st.lists(st.tuples(st.integers(1, 20), st.integers(0, 2)), max_size=5, unique=True),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_37_any_copies_in_any_messages(
    clearing_data: Database,
    market_data: Database,
    copies: list[tuple[int, int, int]],
    different: list[tuple[int, int]],
) -> None:
    with clearing_data.transaction() as tx:
        for table in ("orders", "open_orders", "order_log", "denials"):
            tx.execute(text(f"DELETE FROM {table}"))
        tx.execute(text("UPDATE shards SET last_seq = 0"))
        tx.execute(text("UPDATE accounts SET held_cents = 0, open_orders = 0"))
    with market_data.transaction() as tx:
        empty(tx)
    given_ = orders_of_all(20)
    batches: list[list[OrderRequest]] = [list(given_), [], []]
    for number, batch, later_us in copies:
        batches[batch].append(structs.replace(given_[number - 1], received_us=number + later_us))
    wrong = 0
    for number, batch in different:
        # Behind the first of its number, as the api does not give a number out twice.
        batches[batch].append(structs.replace(given_[number - 1], quantity=7))
        wrong += 1
    admissions = [admit(clearing_data, batch, limits=LIMITS, now_us=1) for batch in batches]
    assert sum(len(admission.dropped) for admission in admissions) == wrong
    assert_once_each(clearing_data, market_data, admissions, 20)
