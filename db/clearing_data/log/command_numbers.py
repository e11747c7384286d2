"""Numbers for commands that no request asked for, from the one series that all requests share."""

from __future__ import annotations

from sqlalchemy import Connection

from db.clearing_data.tables import ORDER_ID_BLOCK


def take(tx: Connection, count: int) -> list[int]:
    """Take numbers that no other command has or will have. They come in blocks; the rest of a block is lost."""
    if not count:
        return []
    blocks = -(-count // ORDER_ID_BLOCK)
    firsts = tx.exec_driver_sql("SELECT nextval('order_ids') FROM generate_series(1, %s)", (blocks,)).scalars()
    return [number for first in sorted(firsts) for number in range(first, first + ORDER_ID_BLOCK)][:count]
