"""Whether numbers that count from 1 for each shard, security or client have no gap."""

from __future__ import annotations

from sqlalchemy import Connection, text

from tasks.audit.result import Checked


def check_contiguous(tx: Connection, table: str, *, group: str, number: str, heads: str, head: str) -> Checked:
    """The numbers of each group in a table are 1, 2, ... up to the group's head. They are unique by their index.

    table, group, number  where the numbers are, and the column that says whose they are
    heads, head           the table with one row a group, and its column with the last number
    """
    checked = Checked()
    counted = tx.execute(
        text(
            f"""
            SELECT {group}, COALESCE(counted.rows, 0), COALESCE(counted.last, 0), COALESCE({heads}.{head}, 0)
            FROM (SELECT {group}, count(*) AS rows, max({number}) AS last FROM {table} GROUP BY {group}) AS counted
            FULL JOIN {heads} USING ({group}) ORDER BY {group}
            """  # noqa: S608  # names of our own tables
        )
    ).all()
    for name, rows, last, expected in counted:
        checked.checked += rows
        if last != expected:
            checked.find(f"{table} of {name} ends with {last}, and {heads} says {expected}")
        if rows != last:
            checked.find(
                f"{table} of {name} has {rows} rows up to {last}: {_first_gap(tx, table, group, number, name)}"
            )
    return checked


def _first_gap(tx: Connection, table: str, group: str, number: str, name: object) -> str:
    gap = tx.execute(
        text(
            f"""
            SELECT before, {number} FROM (
                SELECT {number}, lag({number}, 1, CAST(0 AS bigint)) OVER (ORDER BY {number}) AS before
                FROM {table} WHERE {group} = :name
            ) AS numbered WHERE {number} <> before + 1 ORDER BY {number} LIMIT 1
            """  # noqa: S608  # names of our own tables
        ),
        {"name": name},
    ).one()
    return f"after {gap[0]} comes {gap[1]}"
