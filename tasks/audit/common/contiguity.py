"""Checks that the numbers of each shard, security or client, which count from 1, have no gap."""

from __future__ import annotations

from sqlalchemy import Connection, text

from tasks.audit.common.result import CheckResult


def check_contiguous(
    tx: Connection, table: str, *, group: str, number: str, heads: str, head: str, since: str | None = None
) -> CheckResult:
    """Check that the numbers of each group in a table are 1, 2, ... up to the group's head, each once.

    table, group, number  the table, its column that identifies the group, and the column with the numbers
    heads, head           the table with one row for each group, and its column with the last number
    since                 a query of (group, last): numbers up to the last one may be missing
    """
    checked = CheckResult()
    since = since or f"SELECT {group}, CAST(0 AS bigint) AS last FROM {heads} WHERE false"  # noqa: S608
    counted = tx.execute(
        text(
            f"""
            SELECT {group}, COALESCE(counted.rows, 0), COALESCE(counted.total, 0), COALESCE(counted.last, first),
                COALESCE({heads}.{head}, 0), first
            FROM (
                SELECT {group}, count(*) AS rows, sum({number}) AS total, max({number}) AS last
                FROM {table} LEFT JOIN ({since}) AS dropped USING ({group})
                WHERE dropped.last IS NULL OR {number} > dropped.last GROUP BY {group}
            ) AS counted
            FULL JOIN {heads} USING ({group})
            LEFT JOIN ({since}) AS dropped USING ({group})
            CROSS JOIN LATERAL (SELECT COALESCE(dropped.last, 0) AS first) AS begin
            ORDER BY {group}
            """  # noqa: S608  # names of our own tables
        )
    ).all()
    for name, rows, total, last, expected, first in counted:
        checked.checked += rows
        if last != expected:
            checked.find(f"{table} of {name} ends with {last}, and {heads} says {expected}")
        # Without a unique index, a duplicate number may hide a missing one.
        if rows != last - first or total != (last - first) * (last + first + 1) // 2:
            checked.find(
                f"{table} of {name} has {rows} rows up to {last}: {_first_gap(tx, table, group, number, name, first)}"
            )
    return checked


def _first_gap(tx: Connection, table: str, group: str, number: str, name: object, first: int) -> str:
    gap = tx.execute(
        text(
            f"""
            SELECT before, {number} FROM (
                SELECT {number}, lag({number}, 1, CAST(:first AS bigint)) OVER (ORDER BY {number}) AS before
                FROM {table} WHERE {group} = :name AND {number} > :first
            ) AS numbered WHERE {number} <> before + 1 ORDER BY {number} LIMIT 1
            """  # noqa: S608  # names of our own tables
        ),
        {"name": name, "first": first},
    ).one()
    return f"after {gap[0]} comes {gap[1]}"
