"""Partitions by day, so that old data can be dropped; what is stored already becomes the partition before them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_DAY_S = 86_400

# Table, the column of its partitions, units of this in a second, the old key and the new one.
_BY_DAY = (
    ("reports", "event_us", 1_000_000, ("order_id", "report_id"), ("order_id", "report_id", "event_us")),
    ("trades", "traded_us", 1_000_000, ("security_id", "sequence"), ("security_id", "sequence", "traded_us")),
    ("prices", "updated_us", 1_000_000, ("security_id", "sequence"), ("security_id", "sequence", "updated_us")),
)
_CANDLE_KEY = ("security_id", "interval_s", "start_s")


def upgrade() -> None:
    for table, column, units_a_second, _, key in _BY_DAY:
        op.execute(f"ALTER TABLE {table} RENAME TO {table}_stored")
        op.execute(f"ALTER TABLE {table}_stored DROP CONSTRAINT {table}_pkey")
        if table == "reports":
            op.execute("DROP INDEX reports_by_client")
        _create_like(f"{table}_stored", table, f"PARTITION BY RANGE ({column})", key)
        if table == "reports":
            op.create_index("reports_by_client", "reports", ["client_id", "sequence"])
        op.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")
        before = _day_after_last(f"{table}_stored", column, units_a_second)
        if before is None:
            op.execute(f"DROP TABLE {table}_stored")
        else:
            # No row is copied: Postgres rebuilds the indexes and reads each time once.
            partition = f"{table}_before_{before[0]}"
            op.execute(f"ALTER TABLE {table}_stored RENAME TO {partition}")
            op.execute(f"ALTER TABLE {table} ATTACH PARTITION {partition} FOR VALUES FROM (MINVALUE) TO ({before[1]})")
    _partition_candles()
    op.create_table(
        "dropped",
        sa.Column("table_name", sa.Text(collation="C"), nullable=False),
        sa.Column("before", sa.BigInteger(), nullable=False),
        sa.Column("dropped_us", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("denied", sa.ARRAY(sa.BigInteger()), nullable=False),
        sa.PrimaryKeyConstraint("table_name", "before"),
    )
    op.create_table(
        "dropped_sequences",
        sa.Column("table_name", sa.Text(collation="C"), nullable=False),
        sa.Column("about", sa.Text(collation="C"), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("table_name", "about"),
    )


def _partition_candles() -> None:
    """Candles are few, and of those of a second only some belong to a partition of their own: they are copied."""
    op.execute("ALTER TABLE candles RENAME TO candles_stored")
    op.execute("ALTER TABLE candles_stored DROP CONSTRAINT candles_pkey")
    _create_like("candles_stored", "candles", "PARTITION BY LIST (interval_s)", _CANDLE_KEY)
    op.execute("CREATE TABLE candles_1s PARTITION OF candles FOR VALUES IN (1) PARTITION BY RANGE (start_s)")
    op.execute("CREATE TABLE candles_1s_default PARTITION OF candles_1s DEFAULT WITH (fillfactor = 70)")
    op.execute("CREATE TABLE candles_wide PARTITION OF candles DEFAULT WITH (fillfactor = 70)")
    before = _day_after_last("candles_stored", "start_s", 1)
    if before is not None:
        op.execute(
            f"CREATE TABLE candles_1s_before_{before[0]} PARTITION OF candles_1s "
            f"FOR VALUES FROM (MINVALUE) TO ({before[1]}) WITH (fillfactor = 70)"
        )
        op.execute("INSERT INTO candles SELECT * FROM candles_stored")
    op.execute("DROP TABLE candles_stored")


def _create_like(model: str, table: str, partition_by: str, key: Sequence[str]) -> None:
    op.execute(f"CREATE TABLE {table} (LIKE {model} INCLUDING DEFAULTS) {partition_by}")
    op.create_primary_key(f"{table}_pkey", table, list(key))


def _day_after_last(table: str, column: str, units_a_second: int) -> tuple[str, int] | None:
    """The first day of which nothing is stored, and where it begins; None when nothing is stored at all."""
    last = op.get_bind().execute(sa.text(f"SELECT max({column}) FROM {table}")).scalar()
    if last is None:
        return None
    start_s = (last // units_a_second // _DAY_S + 1) * _DAY_S
    return f"{datetime.fromtimestamp(start_s, UTC):%Y%m%d}", start_s * units_a_second


def downgrade() -> None:
    op.drop_table("dropped_sequences")
    op.drop_table("dropped")
    for table, _, _, key, _ in (*_BY_DAY, ("candles", "", 0, _CANDLE_KEY, ())):
        op.execute(f"ALTER TABLE {table} RENAME TO {table}_partitioned")
        op.execute(f"ALTER TABLE {table}_partitioned DROP CONSTRAINT {table}_pkey")
        if table == "reports":
            op.execute("DROP INDEX reports_by_client")
        storage = "WITH (fillfactor = 70)" if table == "candles" else ""
        _create_like(f"{table}_partitioned", table, storage, key)
        op.execute(f"INSERT INTO {table} SELECT * FROM {table}_partitioned")
        op.execute(f"DROP TABLE {table}_partitioned")
    op.create_index("reports_by_client", "reports", ["client_id", "sequence"], unique=True)
    for table, column in (("reports", "event_us"), ("trades", "traded_us"), ("prices", "updated_us")):
        op.alter_column(table, column, nullable=False)
