"""Finds orders that order entry has not decided, among many of which it has decided most."""

from __future__ import annotations

from collections.abc import Collection
from itertools import groupby

from sqlalchemy import Connection, text

from db.clearing_data.tables import ORDER_ID_BLOCK

# Counting a range of the primary key costs a tenth of looking each id up: 0.3 us an order instead of 5.
_COUNT = text(
    "SELECT block.first FROM unnest(CAST(:first AS bigint[]), CAST(:last AS bigint[]), CAST(:count AS bigint[]), "
    "CAST(:sum AS bigint[]), CAST(:squares AS bigint[])) AS block (first, last, count, sum, squares), LATERAL ("
    "SELECT count(*) AS count, coalesce(sum(place), 0) AS sum, coalesce(sum(place * place), 0) AS squares "
    "FROM (SELECT CAST(order_id - block.first AS int) AS place FROM orders "
    "WHERE order_id BETWEEN block.first AND block.last) AS places) AS found "
    "WHERE (found.count, found.sum, found.squares) <> (block.count, block.sum, block.squares)"
)
_LOOK_UP = text(
    "SELECT order_id FROM unnest(CAST(:order_ids AS bigint[])) AS wanted (order_id) "
    "WHERE NOT EXISTS (SELECT FROM orders WHERE orders.order_id = wanted.order_id)"
)


def undecided(tx: Connection, order_ids: Collection[int]) -> set[int]:
    """Return the orders among these that the register does not have.

    Whole blocks of ids are compared first, by count, sum and sum of squares; only in blocks that differ is each id
    looked up. So a few missing orders are found even where the register has others in their place.
    """
    blocks = {ids[0]: ids for _, found in groupby(sorted(order_ids), key=_block_of) if (ids := list(found))}
    places = [[order_id - first for order_id in ids] for first, ids in blocks.items()]
    rows = tx.execute(
        _COUNT,
        {
            "first": list(blocks),
            "last": [ids[-1] for ids in blocks.values()],
            "count": [len(ids) for ids in blocks.values()],
            "sum": [sum(block) for block in places],
            "squares": [sum(place * place for place in block) for block in places],
        },
    ).scalars()
    suspects = [order_id for first in rows for order_id in blocks[first]]
    return set(tx.execute(_LOOK_UP, {"order_ids": suspects}).scalars()) if suspects else set()


def _block_of(order_id: int) -> int:
    return order_id // ORDER_ID_BLOCK
