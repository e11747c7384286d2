"""The audit as a whole: all rules, on an exchange that may be trading meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime

from db.connect import Database
from tasks.audit.feed import check_books, check_sequences
from tasks.audit.log import check_denial_reports, check_log, check_orders, read_denials, read_heads
from tasks.audit.money import check_conservation, check_holds
from tasks.audit.patience import Patience
from tasks.audit.replay import Replay, check_nothing_beyond
from tasks.audit.result import Audit, Checked, Rule
from tasks.audit.settlement import check_legs, check_quantities

NAMES = {
    1: "every order is in the log once, or denied in a report",
    2: "the log of each shard has no gap",
    3: "each trade is settled once, both legs",
    4: "no cent and no share appears or vanishes",
    5: "holds are what open orders need, and nothing is below zero",
    6: "a replay of the log makes the same trades and states",
    7: "fills, closes and what is open add up, for every order",
    8: "the feed has no gap and ends in the books of the log",
}


def audit(clearing_data: Database, market_data: Database, *, patience_s: float) -> Audit:
    """Check all rules.

    patience_s  how long nothing may arrive of what is on its way through the queues before it is missing [s]
    raises      sqlalchemy.exc.DBAPIError  Postgres is away
    """
    checked_at = datetime.now(UTC)
    checks: dict[int, Checked] = {}
    with clearing_data.snapshot() as tx:
        heads = read_heads(tx)
        checks[1] = check_orders(tx)
        checks[2] = check_log(tx)
        checks[3] = check_legs(tx)
        checks[4] = check_conservation(tx)
        checks[5] = check_holds(tx)
        checks[6] = check_nothing_beyond(tx, heads)
        checks[7] = check_quantities(tx)
        denials = read_denials(tx)
    with market_data.snapshot() as tx:
        checks[8] = check_sequences(tx)

    replays = [Replay(shard, head) for shard, head in heads.items()]
    for replay in replays:
        replay.run(clearing_data, market_data)
    checks[1] += check_denial_reports(market_data, denials, Patience(patience_s))
    for replay in replays:
        checks[3] += replay.await_settlement(clearing_data, Patience(patience_s))
        checks[6] += replay.agreement
        checks[7] += replay.orders
        checks[8] += replay.await_trades(market_data, Patience(patience_s))
        checks[8] += check_books(clearing_data, market_data, replay.engine, Patience(patience_s))

    rules = [Rule.of(number, name, checks[number]) for number, name in NAMES.items()]
    return Audit(all(rule.passed for rule in rules), checked_at.isoformat(timespec="milliseconds"), rules)
