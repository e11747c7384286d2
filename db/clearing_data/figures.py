"""Figures of the exchange that cost the same however much is stored: heads, marks, and Postgres' own counts."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

# The tables whose inserted rows are counted: by Postgres, separately in every backend, so this locks none of our rows.
# A batch that is rolled back and repeated counts twice, and after a crash of Postgres the count starts from 0.
_COUNTED = ("orders", "denials", "executions", "ledger")


@dataclass(frozen=True, slots=True)
class ClearingFigures:
    """Figures about the pipeline in `clearing_data`.

    sequenced    commands in the log of each shard
    unpublished  commands whose events are not known to be on the queues after the engine
    settled      settled trades of each security
    failed       trades that failed because an account was closed
    borrowed     shares of each security that clients owe
    bought_in    clients that are being bought in; fund_cents is the cash that the default fund pays for them
    inserted     rows inserted into each table since Postgres began to count
    """

    sequenced: dict[int, int]
    unpublished: dict[int, int]
    settled: dict[str, int]
    failed: int
    inserted: dict[str, int]
    borrowed: dict[str, int]
    bought_in: int
    fund_cents: int


def denied(tx: Connection, *, since_us: int) -> dict[str, int]:
    """Return the requests that order entry denied since a time, by reason; the table's index is by time."""
    rows = tx.execute(
        text("SELECT reason, count(*) AS requests FROM denials WHERE denied_us >= :since_us GROUP BY reason"),
        {"since_us": since_us},
    )
    return {row.reason: row.requests for row in rows}


def figures(tx: Connection) -> ClearingFigures:
    """Return the current figures."""
    shards = tx.execute(
        text(
            "SELECT shard, last_seq, last_seq - coalesce(seq, 0) AS unpublished "
            "FROM shards LEFT JOIN published_marks USING (shard) ORDER BY shard"
        )
    ).all()
    # A trade has its number within its security, and the last price has the trade that set it.
    settled = tx.execute(
        text(
            "SELECT last_prices.security_id, coalesce(sequence, 0) AS trades "
            "FROM last_prices LEFT JOIN executions USING (event_id) ORDER BY security_id"
        )
    )
    # Each of these raised an alarm, so they are few, and they have an index of their own.
    failed: int = tx.execute(text("SELECT count(*) FROM executions WHERE kind = 'failed'")).scalar_one()
    inserted = tx.execute(
        text("SELECT relname, n_tup_ins FROM pg_stat_user_tables WHERE relname = ANY(:tables)"),
        {"tables": list(_COUNTED)},
    )
    # An index contains the clients that ever sold short.
    owed = tx.execute(
        text(
            "SELECT security_id, CAST(sum(borrowed) AS bigint) AS shares FROM holdings WHERE borrowed > 0 "
            "AND client_id IN (SELECT client_id FROM accounts WHERE sells_short) GROUP BY security_id"
        )
    )
    bought_in, fund_cents = tx.execute(
        text(
            "SELECT count(*), CAST(COALESCE(sum(fund_cents), 0) AS bigint) FROM accounts "
            "WHERE sells_short AND buy_in_us IS NOT NULL"
        )
    ).one()
    return ClearingFigures(
        sequenced={row.shard: row.last_seq for row in shards},
        unpublished={row.shard: row.unpublished for row in shards},
        settled={row.security_id: row.trades for row in settled},
        failed=failed,
        inserted={row.relname: row.n_tup_ins for row in inserted},
        borrowed={row.security_id: row.shares for row in owed},
        bought_in=bought_in,
        fund_cents=fund_cents,
    )
