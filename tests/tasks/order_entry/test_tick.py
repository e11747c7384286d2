"""Ticks of the scheduler on a real database: what is due goes into the logs, once and in the order of its time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from db.clearing_data.initial_data import TRADERS, load
from db.clearing_data.listing import market, securities, trading_day
from db.clearing_data.log.order_log import read_commands
from db.connect import Database
from tasks.messages import Command, Expire, ListSecurity, PhaseRequest, PlaceOrder, SetPhase
from tasks.order_entry.admit import admit
from tasks.order_entry.tick import tick
from tasks.shared.rules.market import Day, Listing, Market
from tests.support.databases import _empty, clearing_tables
from tests.support.entry import LIMITS, assert_books_hold, cancel, order

S = 1_000_000
NOW = 1_000 * S


@pytest.fixture(autouse=True)
def numbers_behind_those_of_the_tests(clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        tx.execute(text("SELECT nextval('order_ids')"))


def logged(clearing_data: Database, shard: int = 0, after_seq: int = 0) -> list[Command]:
    with clearing_data.transaction() as tx:
        return [command for _, command in read_commands(tx, shard, after_seq=after_seq, limit=10_000)]


def phases(clearing_data: Database) -> dict[str, tuple[object, ...]]:
    with clearing_data.transaction() as tx:
        return {one.security_id: (one.phase, one.phase_cause, one.phase_ends_us) for one in securities.listed(tx)}


def enter(clearing_data: Database, *requests: object, now_us: int = NOW) -> None:
    admitted = admit(clearing_data, requests, limits=LIMITS, now_us=now_us)
    assert [report.reason for report in admitted.reports] == [None] * len(admitted.reports)


def ring(clearing_data: Database, now_us: int) -> int:
    """A tick whose commands are sent; how many these were."""
    ticked = tick(clearing_data, limits=LIMITS, now_us=now_us)
    with clearing_data.transaction() as tx:
        trading_day.forget_unsent(tx, ticked.ranges)
    return sum(len(batch.commands) for batch in ticked.batches)


def test_a_quiet_tick_writes_nothing(clearing_data: Database) -> None:
    enter(clearing_data, order(1), order(2, time_in_force="day"))
    assert ring(clearing_data, NOW) == 0
    assert len(logged(clearing_data)) == 2


def test_an_auction_ends_when_its_time_is_over(clearing_data: Database) -> None:
    enter(clearing_data, PhaseRequest(1, "MSFT", "auction", 10 * S, 5))
    assert phases(clearing_data)["MSFT"] == ("auction", "admin", NOW + 10 * S)
    assert ring(clearing_data, NOW + 10 * S - 1) == 0
    assert ring(clearing_data, NOW + 10 * S) == 1
    assert ring(clearing_data, NOW + 11 * S) == 0
    assert phases(clearing_data)["MSFT"] == ("continuous", "admin", None)
    ended = logged(clearing_data)[-1]
    assert (type(ended), ended.phase, ended.ends_us, ended.sequenced_us) == (
        SetPhase, "continuous", None, NOW + 10 * S,
    )  # fmt: skip
    with clearing_data.transaction() as tx:
        assert_books_hold(tx)


def test_a_buy_in_takes_part_in_the_phase_that_begins_with_its_tick(clearing_data: Database) -> None:
    enter(clearing_data, PhaseRequest(1, "MSFT", "auction", 10 * S, 5))
    with clearing_data.transaction() as tx:
        owing = "UPDATE holdings SET held = shares, borrowed = 1 WHERE client_id = 'SINGLE' AND security_id = 'MSFT'"
        tx.execute(
            text("UPDATE accounts SET sells_short = true, buy_in_us = :now WHERE client_id = 'SINGLE'"), {"now": NOW}
        )
        tx.execute(text(owing))
    assert ring(clearing_data, NOW + 10 * S) == 2
    phase, purchase = logged(clearing_data)[-2:]
    assert isinstance(phase, SetPhase)
    assert isinstance(purchase, PlaceOrder)
    assert (phase.phase, purchase.time_in_force) == ("continuous", "ioc")


def test_orders_expire_once_and_in_the_order_of_their_time(clearing_data: Database) -> None:
    enter(
        clearing_data,
        *(order(n, time_in_force="gtd", expires_us=NOW + 10 * S - n) for n in (1, 2, 3)),
        order(4, time_in_force="gtd", expires_us=NOW + 20 * S),
        order(5, time_in_force="gtd", expires_us=NOW + 5 * S, security_id="AAPL"),
        order(6, time_in_force="day"),
    )
    assert ring(clearing_data, NOW + 10 * S) == 2
    expire = logged(clearing_data)[-1]
    assert (type(expire), expire.order_ids, expire.reason) == (Expire, [3, 2, 1], "expired")
    assert logged(clearing_data, 1)[-1].order_ids == [5]
    assert ring(clearing_data, NOW + 11 * S) == 0
    assert ring(clearing_data, NOW + 20 * S) == 1


def test_an_order_that_is_closed_does_not_expire(clearing_data: Database) -> None:
    enter(clearing_data, order(1, time_in_force="gtd", expires_us=NOW + S), cancel(2, 1))
    with clearing_data.transaction() as tx:
        tx.execute(text("DELETE FROM open_orders"))  # as order execution does
    assert ring(clearing_data, NOW + 2 * S) == 0


def test_what_expires_before_an_auction_ends_does_not_take_part(clearing_data: Database) -> None:
    enter(
        clearing_data,
        PhaseRequest(1, "MSFT", "auction", 10 * S, 5),
        order(2, time_in_force="gtd", expires_us=NOW + 9 * S),
        order(3, time_in_force="gtd", expires_us=NOW + 10 * S),
        order(4, time_in_force="gtd", expires_us=NOW + 11 * S),
    )
    assert ring(clearing_data, NOW + 12 * S) == 3
    assert [getattr(command, "order_ids", "phase") for command in logged(clearing_data)[-3:]] == [[2, 3], "phase", [4]]


def test_a_schedule_goes_through_its_steps_in_their_order_also_after_an_absence(clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        market.set_terms(tx, Market(day=Day(10 * S, 30 * S, 5 * S, 15 * S)))
    steps = [("auction", 10), ("continuous", 40), ("auction", 45), ("closed", 60), ("auction", 70), ("continuous", 100)]
    assert ring(clearing_data, NOW) == 5
    assert ring(clearing_data, NOW + 9 * S) == 0
    assert ring(clearing_data, NOW + 10 * S) == 5
    assert ring(clearing_data, NOW + 71 * S) == 20  # away for a minute: four steps for five securities
    gone_through = [
        (one.phase, (one.ends_us - NOW) // S) for one in logged(clearing_data, 1) if one.security_id == "AAPL"
    ]
    assert gone_through == steps
    assert set(phases(clearing_data).values()) == {("continuous", "schedule", NOW + 100 * S)}
    with clearing_data.transaction() as tx:
        assert_books_hold(tx)


def test_two_schedulers_do_no_harm(clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        market.set_terms(tx, Market(day=Day(10 * S, 30 * S, 5 * S, 15 * S)))
    enter(clearing_data, order(1, time_in_force="gtd", expires_us=NOW + 50 * S))
    with ThreadPoolExecutor(4) as workers:
        for second in range(0, 65, 5):
            list(workers.map(lambda _, now=NOW + second * S: ring(clearing_data, now), range(4)))
    assert [one.phase for one in logged(clearing_data, 1) if one.security_id == "JPM"] == [
        "auction", "continuous", "auction", "closed", "auction",
    ]  # fmt: skip
    assert [command.order_ids for command in logged(clearing_data) if isinstance(command, Expire)] == [[1]]


def test_what_a_tick_did_not_send_the_next_one_sends(clearing_data: Database) -> None:
    enter(clearing_data, PhaseRequest(1, "MSFT", "auction", S, 5), PhaseRequest(2, "AAPL", "auction", 2 * S, 5))
    lost = tick(clearing_data, limits=LIMITS, now_us=NOW + S)  # its worker dies here
    again = tick(clearing_data, limits=LIMITS, now_us=NOW + 2 * S)
    assert lost.batches == again.batches[:1]
    assert [batch.shard for batch in again.batches] == [0, 1]
    with clearing_data.transaction() as tx:
        trading_day.forget_unsent(tx, again.ranges)
    assert tick(clearing_data, limits=LIMITS, now_us=NOW + 3 * S).batches == []


def test_what_was_sequenced_meanwhile_is_not_forgotten(clearing_data: Database) -> None:
    enter(clearing_data, PhaseRequest(1, "MSFT", "auction", S, 5), PhaseRequest(2, "AAPL", "auction", 2 * S, 5))
    slow = tick(clearing_data, limits=LIMITS, now_us=NOW + S)
    tick(clearing_data, limits=LIMITS, now_us=NOW + 2 * S)
    with clearing_data.transaction() as tx:
        trading_day.forget_unsent(tx, slow.ranges)
    assert len(tick(clearing_data, limits=LIMITS, now_us=NOW + 3 * S).batches) == 2


def test_a_halt_while_an_auction_ends_is_not_undone(clearing_data: Database) -> None:
    enter(clearing_data, PhaseRequest(1, "MSFT", "auction", S, 5))
    enter(clearing_data, PhaseRequest(2, "MSFT", "halted", None, 5))
    assert ring(clearing_data, NOW + 2 * S) == 0
    assert phases(clearing_data)["MSFT"] == ("halted", "admin", None)


def test_a_new_exchange_begins_with_an_auction_that_the_first_tick_ends(clearing_data: Database) -> None:
    listed = Market(securities=(Listing("ACME", reference_cents=5_000, band_ppm=100_000),), first_auction_us=8 * S)
    with clearing_data.transaction() as tx:
        _empty(tx, clearing_tables.metadata)
        load(tx, shards=2, now_us=NOW, market=listed, traders=TRADERS[:1], shares={})
    [first, second] = logged(clearing_data)
    assert (type(first), first.reference_cents, first.band_ppm) == (ListSecurity, 5_000, 100_000)
    assert (second.phase, second.cause, second.ends_us) == ("auction", "schedule", None)
    assert phases(clearing_data) == {"ACME": ("auction", "schedule", None)}
    assert ring(clearing_data, NOW + 60 * S) == 1
    assert phases(clearing_data) == {"ACME": ("auction", "schedule", NOW + 68 * S)}
    assert ring(clearing_data, NOW + 68 * S) == 1
    assert phases(clearing_data) == {"ACME": ("continuous", "schedule", None)}
    with clearing_data.transaction() as tx:
        before = tx.execute(text("SELECT last_seq FROM shards ORDER BY shard")).all()
        load(tx, shards=2, now_us=NOW, market=listed, traders=TRADERS[:1], shares={})
        assert tx.execute(text("SELECT last_seq FROM shards ORDER BY shard")).all() == before
