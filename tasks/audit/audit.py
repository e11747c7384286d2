"""The whole audit: all rules, on an exchange that may trade meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from sqlalchemy import text

from db.connect import Database
from tasks.audit.clearing.dead_letters import check_dead_letters
from tasks.audit.clearing.executions import Executions, check_nothing_beyond
from tasks.audit.clearing.loans import check_collateral, check_loans
from tasks.audit.clearing.log import check_denial_reports, check_log, check_orders, read_denials, read_heads
from tasks.audit.clearing.money import check_conservation, check_final_settlements, check_holds
from tasks.audit.clearing.promises import check_promises, read_broken
from tasks.audit.clearing.replaces import check_terms
from tasks.audit.clearing.replay import Replay
from tasks.audit.clearing.settlement import check_failures, check_fees, check_legs, check_quantities
from tasks.audit.clearing.snapshots import check_marks
from tasks.audit.common.patience import Patience
from tasks.audit.common.result import Audit, CheckResult, Rule
from tasks.audit.feed import reports
from tasks.audit.feed.books import check_books
from tasks.audit.feed.candles import check_candles
from tasks.audit.feed.events import StoredEvents, check_no_report_beyond
from tasks.audit.feed.legs import reports_of_trades
from tasks.audit.feed.requests import reports_of_requests
from tasks.audit.feed.sequences import check_sequences
from tasks.audit.feed.trades import StoredTrades
from tasks.messages import BookState, Execution, TradeMade, event_id

# One connection for a snapshot or the sums of reports, and two for reads during the replay of the log.
CONNECTIONS = 3

NAMES = {
    1: "every order is in the log once, or denied in a report; no dead letters",
    2: "the log of each shard has no gap",
    3: "each trade is settled once, both legs",
    4: "no cent and no share appears or vanishes",
    5: "holds are what open orders need, and nothing is below zero",
    6: "a replay of the log makes the same trades and states",
    7: "fills, closes and what is open add up, for every order",
    8: "the feed has exactly what the log leads to",
    9: "borrowed shares are lent by DTCC, and collateral is what they require",
}


def audit(clearing_data: Database, market_data: Database, *, broker_url: str | None, patience_s: float) -> Audit:
    """Check all rules.

    clearing_data, market_data  with CONNECTIONS connections each
    broker_url  RabbitMQ, whose dead letters are findings; None without RabbitMQ, as in a benchmark of the databases
    patience_s  how long the audit waits without progress for messages in the queues before it counts them missing [s]
    raises      sqlalchemy.exc.DBAPIError  Postgres is away
    """
    checked_at = datetime.now(UTC).isoformat(timespec="milliseconds")
    with ThreadPoolExecutor(max_workers=1) as background:
        # One thread waits for Postgres while the other replays.
        snapshot = background.submit(_check_snapshot, clearing_data, market_data, patience_s)
        replays = list(_check_replays(clearing_data, market_data, patience_s))
        checks = snapshot.result()
    if broker_url is not None:
        checks[1] += check_dead_letters(broker_url)
    for number, checked in replays:
        checks[number] += checked
    rules = [Rule.of(number, name, checks[number]) for number, name in NAMES.items()]
    return Audit(all(rule.passed for rule in rules), checked_at, rules)


def _check_snapshot(clearing_data: Database, market_data: Database, patience_s: float) -> dict[int, CheckResult]:
    """Make the checks that need no replay; return their results by rule."""
    checks: dict[int, CheckResult] = {}
    with clearing_data.snapshot() as tx:
        # Each check joins whole tables. The statistics of a young exchange may date from the time when its tables were
        # empty, and then Postgres would look up a million rows one by one.
        tx.execute(text("SET LOCAL enable_nestloop = off"))
        checks[1] = check_orders(tx)
        checks[2] = check_log(tx)
        checks[3] = check_legs(tx) + check_fees(tx) + check_failures(tx)
        checks[4] = check_conservation(tx) + check_final_settlements(tx)
        checks[5] = check_holds(tx)
        checks[6] = check_nothing_beyond(tx, read_heads(tx)) + check_marks(tx)
        checks[7] = check_quantities(tx) + check_terms(tx)
        checks[9] = check_loans(tx) + check_collateral(tx)
        denials = read_denials(tx)
        promises, broken = read_broken(tx)
    with market_data.snapshot() as tx:
        tx.execute(text("SET LOCAL enable_nestloop = off"))
        checks[8] = check_sequences(tx) + check_candles(tx)
    checks[1] += check_promises(clearing_data, promises, broken, Patience(patience_s))
    checks[1] += check_denial_reports(market_data, denials, Patience(patience_s))
    for lists in (reports_of_requests, reports_of_trades):
        checks[8] += reports.compare(*lists(clearing_data, market_data), Patience(patience_s))
    return checks


def _check_replays(
    clearing_data: Database, market_data: Database, patience_s: float
) -> Iterator[tuple[int, CheckResult]]:
    """Compare a replay of each shard's log up to its present head; return each result with its rule."""
    with clearing_data.snapshot() as tx:
        heads = read_heads(tx)
    released: dict[str, BookState] = {}
    for shard, head in heads.items():
        replay = Replay(clearing_data, shard, head, released)
        executions, trades = Executions(clearing_data, shard), StoredTrades(market_data, shard, head)
        reported = StoredEvents(market_data, shard, head)
        first_seq = 1
        for made in replay.events():
            end_seq = replay.engine.seq + 1
            settled = [one for one in made if isinstance(one, Execution)]
            executions.compare(settled, first_seq=first_seq, end_seq=end_seq)
            trades.compare(one for one in made if isinstance(one, TradeMade))
            reported.compare(made, end_id=event_id(shard, end_seq, 0))
            first_seq = end_seq
        yield 3, executions.await_missing(Patience(patience_s))
        yield 6, replay.states + executions.agreement
        yield 7, replay.orders
        yield 8, trades.await_missing(Patience(patience_s))
        yield 8, reported.await_missing(Patience(patience_s))
        yield 8, check_books(clearing_data, market_data, replay.engine, Patience(patience_s))
    yield 8, check_no_report_beyond(clearing_data, market_data)
