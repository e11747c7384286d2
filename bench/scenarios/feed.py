"""The delay and cost of sending the whole market to 200 subscribers.

A delay has two starting points: the api accepts the order that trades, and the feed hands the trade's reports to
Postgres, just before its COMMIT and its push. It ends when a subscriber has read the event. Both times are in the
database, so messages carry nothing extra. Then the exchange gets as many orders as it can handle, in turn with and
without subscribers.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection as Pipe
from statistics import median

from sqlalchemy import text

from bench.load.generator import Plan
from bench.load.subscribers import CrowdResult, run
from bench.scenarios import throughput
from bench.scenarios.report import Section, percentile_ms
from bench.scenarios.throughput import LOAD, Throughput
from bench.target import accounts
from bench.target.cpu import OTHER
from bench.target.exchange import Exchange
from db.market_data.reads import FIRST_EVENT

SUBSCRIBERS = 200
ORDERS_A_SECOND = 500.0
CONNECTIONS = 64
# Each has a run with subscribers and one without, of a third of the requested seconds.
TURNS = 2
START_TIMEOUT_S = 60.0


@dataclass(slots=True)
class Crowd:
    """Subscribers in a process of their own; their result exists after they stop."""

    heard: CrowdResult | None = None


@dataclass(slots=True)
class Delays:
    """From each starting point of each trade until each subscriber received it [s]."""

    stored_s: list[float] = field(default_factory=list)
    taken_s: list[float] = field(default_factory=list)


def measure(exchange: Exchange, *, seconds: float, in_flight: int, seed: int) -> Section:
    """Measure the delays at a fixed rate, then the cost of the subscribers."""
    plan = exchange.plan(connections=CONNECTIONS, array_size=0, seconds=seconds, rate=ORDERS_A_SECOND, seed=seed)
    _level(exchange)
    before = _book_changes(exchange)
    with _crowd(plan) as crowd:
        calm = throughput.measure(exchange, plan, in_flight=in_flight)
    assert crowd.heard is not None
    changes_a_second = (_book_changes(exchange) - before) / calm.seconds
    singles = replace(plan, rate=None, seconds=seconds / 3)
    arrays = replace(singles, connections=20, array_size=100)
    full = {
        name: _by_turns(exchange, kind, in_flight=in_flight)
        for name, kind in {"single orders": singles, "arrays of 100": arrays}.items()
    }
    return _section(calm, crowd.heard, changes_a_second, _delays(exchange, crowd.heard), _missing(crowd.heard), full)


@contextmanager
def _crowd(plan: Plan) -> Iterator[Crowd]:
    """Run subscribers inside the block."""
    spawn = multiprocessing.get_context("spawn")
    pipe, its_pipe = spawn.Pipe()
    process = spawn.Process(target=run, args=(plan.host, plan.port, SUBSCRIBERS, its_pipe), daemon=True)
    process.start()
    _receive(pipe)
    crowd = Crowd()
    yield crowd
    pipe.send(None)
    crowd.heard = _receive(pipe)
    process.join()


def _receive(pipe: Pipe) -> CrowdResult:
    if not pipe.poll(START_TIMEOUT_S):
        raise TimeoutError("the subscribers did not answer")
    heard: CrowdResult = pipe.recv()
    return heard


@dataclass(frozen=True, slots=True)
class Turns:
    """The runs with and without subscribers."""

    alone: list[Throughput]
    crowded: list[Throughput]
    heard: list[CrowdResult]

    @property
    def loss(self) -> float:
        """The fraction of orders per second that the exchange loses next to subscribers."""
        alone, crowded = (median(turn.orders_a_second for turn in turns) for turns in (self.alone, self.crowded))
        return 1 - crowded / alone


def _by_turns(exchange: Exchange, plan: Plan, *, in_flight: int) -> Turns:
    turns = Turns([], [], [])
    for _ in range(TURNS):
        _level(exchange)
        turns.alone.append(throughput.measure(exchange, plan, in_flight=in_flight))
        _level(exchange)
        with _crowd(plan) as crowd:
            turns.crowded.append(throughput.measure(exchange, plan, in_flight=in_flight))
        assert crowd.heard is not None
        turns.heard.append(crowd.heard)
    return turns


def _level(exchange: Exchange) -> None:
    accounts.level(exchange.url, admin_key=exchange.admin_key, keys=exchange.client_keys)


def _book_changes(exchange: Exchange) -> int:
    with exchange.market_data.snapshot() as tx:
        return int(tx.execute(text("SELECT coalesce(sum(update_sequence), 0) FROM books")).scalar_one())


_TRADE_REPORTS = text(
    """
    SELECT trades.security_id, trades.sequence, report.order_id, report.stored_us
    FROM trades JOIN reports AS report ON report.report_id = trades.event_id AND report.event_us = trades.traded_us
    WHERE report.event_type = 'trade' AND report.report_id >= :first
    """
)


def _delays(exchange: Exchange, heard: CrowdResult) -> Delays:
    with exchange.clearing_data.snapshot() as tx:
        rows = tx.execute(text("SELECT order_id, created_us FROM orders"))
        created: dict[int, int] = {row.order_id: row.created_us for row in rows}
    stored_us: dict[tuple[str, int], int] = {}
    taken_us: dict[tuple[str, int], int] = {}
    with exchange.market_data.snapshot() as tx:
        for security_id, sequence, order_id, us in tx.execute(_TRADE_REPORTS, {"first": FIRST_EVENT}):
            stored_us[security_id, sequence] = us
            taken_us[security_id, sequence] = max(taken_us.get((security_id, sequence), 0), created[order_id])
    delays = Delays()
    for event in heard.events:
        for sequence in event.trades:
            trade = event.key[1], sequence
            delays.stored_s += [(us - stored_us[trade]) / 1e6 for us in event.arrived_us]
            delays.taken_s += [(us - taken_us[trade]) / 1e6 for us in event.arrived_us]
    return delays


def _missing(heard: CrowdResult) -> int:
    """Return the number of subscribers that missed the last trade or an earlier one."""
    last = {
        security: max(sequence for event in heard.events if event.key[1] == security for sequence in event.trades)
        for security in {event.key[1] for event in heard.events}
    }
    short = sum(any(one.get(name) != sequence for name, sequence in last.items()) for one in heard.last_trades)
    incomplete = sum(len(event.arrived_us) != heard.subscribers for event in heard.events)
    return max(short, incomplete and 1)


def _section(
    calm: Throughput, heard: CrowdResult, changes_a_second: float, delays: Delays, missing: int, full: dict[str, Turns]
) -> Section:
    milliseconds = {
        name: {f"p{percent}": round(percentile_ms(times_s, percent), 1) for percent in (50, 90, 99)}
        | {"longest": round(1e3 * max(times_s), 1)}
        for name, times_s in {"stored to heard": delays.stored_s, "taken to heard": delays.taken_s}.items()
    }
    trades = sum(len(event.trades) for event in heard.events)
    cores = {part: cpu_s / calm.seconds for part, cpu_s in calm.cpu_s.items()}
    rows = [
        (
            "load",
            f"{calm.load.accepted / calm.load.seconds:,.0f} single orders/s, {changes_a_second:,.0f} book changes/s",
        ),
        ("subscribers", f"{heard.subscribers} over Socket.IO, of the trades, books and prices of all securities"),
        ("heard", f"{heard.messages / heard.seconds:,.0f} events/s, {heard.bytes / heard.seconds / 1e6:.1f} MB/s"),
        ("trades", f"{trades:,}, {f'missed by {missing} subscribers' if missing else 'in order at all subscribers'}"),
        ("gaps, connections lost", f"{heard.gaps}, {heard.lost}"),
        *(
            (f"trade {name}", " · ".join(f"{p} {ms:.1f} ms" for p, ms in of.items()))
            for name, of in milliseconds.items()
        ),
        ("rest of the machine", f"{cores[OTHER]:.2f} of {os.cpu_count()} cores"),
        ("CPU streams", f"{cores.get('streams', 0):.2f} cores"),
        ("CPU of the subscribers", f"{heard.cpu_s / heard.seconds:.2f} cores; load generator {cores[LOAD]:.2f}"),
    ]
    figures: dict[str, object] = {
        "subscribers": heard.subscribers,
        "book_changes_a_second": round(changes_a_second, 1),
        "events_a_second": round(heard.messages / heard.seconds),
        "trades": trades,
        "missing": missing,
        "gaps": heard.gaps,
        "lost": heard.lost,
        "ms": milliseconds,
        "cores": {part: round(used, 3) for part, used in sorted(cores.items())},
        "subscribers_cores": round(heard.cpu_s / heard.seconds, 3),
    }
    for name, turns in full.items():
        alone, crowded = ([round(turn.orders_a_second) for turn in some] for some in (turns.alone, turns.crowded))
        streams, theirs = (
            median(turn.cpu_s.get("streams", 0.0) / turn.seconds for turn in turns.crowded),
            median(one.cpu_s / one.seconds for one in turns.heard),
        )
        rows.append(
            (
                f"{name}, as many as it takes",
                f"{alone} orders/s alone, {crowded} with subscribers: {100 * turns.loss:.0f} % fewer; "
                f"streams {streams:.2f} and subscribers {theirs:.2f} cores",
            )
        )
        gaps = sum(one.gaps + one.lost for one in turns.heard)
        rows.append((f"{name}, gaps and lost", str(gaps)))
        figures[name] = {
            "alone": alone,
            "next to them": crowded,
            "loss": round(turns.loss, 3),
            "streams_cores": round(streams, 3),
            "subscribers_cores": round(theirs, 3),
            "gaps": gaps,
        }
    return Section("feed", rows, figures)
