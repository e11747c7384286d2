"""Whatever is asked for, by whom, in whichever batches and however often: nothing goes below zero, nothing is lost."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from db.clearing_data.log import orders, waiting_replaces
from db.connect import Database
from tasks.messages import HaltRequest, Request
from tasks.order_entry.admit import admit
from tasks.order_entry.rules.decisions import number_of
from tests.support.entry import LIMITS, assert_books_hold, cancel, halt, mass_cancel, order, replace

# Few numbers, names and clients, so that they meet; amounts around what the clients have.
clients = st.sampled_from(["SINGLE", "RETAIL", "NOBODY", "DTCC"])
securities = st.sampled_from(["MSFT", "MSFT", "AAPL", "XXXX"])
places = st.builds(
    order,
    st.integers(1, 60),
    client_id=clients,
    client_order_id=st.none() | st.sampled_from("abcdefgh"),
    security_id=securities,
    type=st.sampled_from(["limit", "limit", "limit", "market", "stop", "stop_limit"]),
    side=st.sampled_from(["buy", "sell"]),
    quantity=st.one_of(st.integers(1, 120), st.integers(1, 2**31 - 1)),
    price_cents=st.none() | st.integers(1, 12_000) | st.integers(1, 10**9),
    time_in_force=st.sampled_from(["gtc", "gtc", "ioc", "fok"]),
    post_only=st.booleans(),
    stop_price_cents=st.none() | st.none() | st.integers(1, 12_000),
    display_quantity=st.none() | st.none() | st.integers(1, 20),
)
# Mostly affordable, and of one client and security, so that there is something to replace.
simple = st.builds(
    order,
    st.integers(1, 60),
    side=st.sampled_from(["buy", "sell"]),
    quantity=st.integers(1, 20),
    price_cents=st.just(99),
)
replaces = st.builds(
    replace,
    st.integers(81, 120),
    st.integers(1, 60),
    client_id=st.just("SINGLE") | clients,
    security_id=st.just("MSFT") | securities,
    quantity=st.none() | st.integers(1, 40) | st.integers(1, 2**31 - 1),
    price_cents=st.none() | st.integers(1, 200) | st.integers(1, 10**9),
)
mass_cancels = st.builds(
    mass_cancel,
    st.integers(121, 125),
    client_id=clients,
    shard=st.integers(0, 2),
    security_id=st.none() | securities,
    side=st.none() | st.sampled_from(["buy", "sell"]),
)
halts = st.builds(halt, st.integers(126, 129), st.sampled_from(["MSFT", "AAPL"]), halted=st.booleans())
cancels = st.builds(cancel, st.integers(61, 80), st.integers(1, 2_000), client_id=clients, security_id=securities)
some_requests = st.lists(
    st.one_of(places, simple, simple, cancels, replaces, replaces, mass_cancels, halts), max_size=30
)

EMPTIED = (
    "orders",
    "open_orders",
    "order_log",
    "denials",
    "pending_replaces",
    "cancel_marks",
    "waiting_replaces",
)


@given(batches=st.lists(some_requests, min_size=1, max_size=6))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_batches(clearing_data: Database, batches: list[list[Request]]) -> None:
    with clearing_data.transaction() as tx:
        for table in EMPTIED:
            tx.execute(text(f"DELETE FROM {table}"))
        orders.next_order_ids(tx)  # so that all numbers were given out, and what names one that has not come may wait
        tx.execute(text("UPDATE shards SET last_seq = 0"))
        tx.execute(text("UPDATE accounts SET held_cents = 0, open_orders = 0"))
        tx.execute(text("UPDATE holdings SET held = 0"))
        tx.execute(text("UPDATE securities SET phase = 'continuous', phase_event_id = 0"))
    # A number stands for one request for ever, so the later ones of the same number are left out.
    first = {number_of(request): request for batch in reversed(batches) for request in reversed(batch)}
    reported: dict[int, str | None] = {}
    came_early: set[int] = set()
    for batch in batches:
        mine = [first[number_of(request)] for request in batch]
        admission = admit(clearing_data, mine, limits=LIMITS, now_us=7)
        with clearing_data.transaction() as tx:
            assert_books_hold(tx)
        halted = {number_of(request) for request in mine if isinstance(request, HaltRequest)}
        answered = {report.event_id for report in admission.reports}
        with clearing_data.transaction() as tx:
            waiting = {one.command_id for one in waiting_replaces.overdue(tx, since_us=7)}
        asked = {number_of(request) for request in mine} - halted
        assert asked - waiting <= answered <= asked | came_early
        assert not answered & waiting
        came_early |= waiting
        sent = sum(len(batch.commands) for batch in admission.commands)
        assert sent == sum(report.reason is None for report in admission.reports) + len(halted)
        reported |= dict.fromkeys(halted)
        for report in admission.reports:
            assert reported.setdefault(report.event_id, report.reason) == report.reason
    with clearing_data.transaction() as tx:
        logged = tx.execute(
            text("SELECT command_id, NULL FROM order_log UNION ALL SELECT command_id, reason FROM denials")
        ).all()
    assert dict(map(tuple, logged)) == reported
