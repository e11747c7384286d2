"""The beginning of coverage: no events in a new exchange, all published events in an upgraded one."""

from __future__ import annotations

from sqlalchemy import Connection

from db import coverage as covered
from db.clearing_data import catch_up
from db.connect import Database
from db.statements import Statements
from tasks.shared.rules import coverage

SETTLED = "matching"
REPORTING = ("order_entry", "matching", "order_execution")


def begin(clearing_data: Database, market_data: Database) -> None:
    """Count events that were published before coverage existed as covered; change nothing where coverage exists."""
    with clearing_data.transaction() as tx:
        heads = catch_up.heads(tx)
        _begin(tx, {(SETTLED, head.shard): head.published_seq for head in heads})
    published = {(stage, head.shard): head.published_seq for head in heads for stage in REPORTING}
    # Order entry has reported all commands in the log, or is about to, and then states what its reports cover.
    published |= {("order_entry", head.shard): head.last_seq for head in heads}
    with market_data.transaction() as tx:
        _begin(tx, published)


def _begin(tx: Connection, published: dict[tuple[str, int], int]) -> None:
    """Cover all events up to a command of each stage and shard that has no coverage."""
    known = covered.read(tx)
    statements = Statements(tx)
    for (stage, shard), seq in published.items():
        if (stage, shard) not in known:
            covered.add(statements, stage, [coverage.commands(shard, 0, seq + 1)])
    statements.run()
