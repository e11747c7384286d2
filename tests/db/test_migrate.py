"""The migrated schemas are those of the modules of tables, down to checks, partial indexes and storage options."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, create_engine, make_url, text

from celery_app.settings import settings
from db import migrate
from db.clearing_data import tables as clearing_data
from db.market_data import tables as market_data
from tests.support.databases import drop_database

DATABASES = [
    pytest.param(clearing_data, migrate.CLEARING_DATA_MIGRATIONS, id="clearing_data"),
    pytest.param(market_data, migrate.MARKET_DATA_MIGRATIONS, id="market_data"),
]

# Definitions that compare_metadata ignores.
DEFINITIONS = text("""
    SELECT 'constraint', conrelid::regclass::text, conname::text, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'index', indrelid::regclass::text, indexrelid::regclass::text, pg_get_indexdef(indexrelid)
    FROM pg_index JOIN pg_class ON pg_class.oid = indrelid WHERE relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'storage', '', relname::text, reloptions::text
    FROM pg_class WHERE relnamespace = 'public'::regnamespace AND reloptions IS NOT NULL
    UNION ALL
    SELECT 'sequence', '', sequencename::text, concat_ws(',', start_value, increment_by) FROM pg_sequences
    UNION ALL
    SELECT 'column', table_name, column_name,
        concat_ws(',', data_type, collation_name, is_nullable, column_default, is_identity)
    FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name NOT IN ('alembic_version', 'ledger_postings', 'pending_transfers',
        'pending_transfers_of_owners')
""")


def scratch_url(name: str) -> str:
    """A separate database for one test."""
    address = make_url(settings().clearing_data_url.get_secret_value())
    return address.set(database=f"{address.database}_{name}").render_as_string(hide_password=False)


@pytest.fixture
def migrated_url() -> Iterator[str]:
    url = scratch_url("migrated")
    drop_database(url)
    yield url
    drop_database(url)


@pytest.fixture
def engine(migrated_url: str) -> Iterator[Engine]:
    engine = create_engine(migrated_url)
    yield engine
    engine.dispose()


def is_no_partition(kind: str, name: str | None, tx: Connection) -> bool:
    """Leave out partitions, which compare_metadata takes for separate tables."""
    if kind != "table":
        return True
    query = text("SELECT relispartition FROM pg_class WHERE relname = :name")
    return not tx.execute(query, {"name": name}).scalar_one()


def definitions(tx: Connection) -> set[tuple[str, ...]]:
    """Return everything that defines the schema, except Alembic's own table."""
    return {tuple(row) for row in tx.execute(DEFINITIONS) if "alembic_version" not in str(tuple(row))}


@pytest.mark.parametrize(("tables", "migrations"), DATABASES)
def test_migrating_creates_the_tables(tables: ModuleType, migrations: Path, migrated_url: str, engine: Engine) -> None:
    migrate.upgrade(migrated_url, migrations)
    with engine.connect() as tx:
        options = {"include_name": lambda name, kind, _: is_no_partition(kind, name, tx)}
        assert compare_metadata(MigrationContext.configure(tx, opts=options), tables.metadata) == []
        migrated = definitions(tx)
    with engine.begin() as tx:
        tx.execute(text("DROP SCHEMA public CASCADE"))
        tx.execute(text("CREATE SCHEMA public"))
        tables.metadata.create_all(tx)
        assert migrated == definitions(tx)


@pytest.mark.parametrize(("tables", "migrations"), DATABASES)
def test_migrating_again_changes_nothing(
    tables: ModuleType, migrations: Path, migrated_url: str, engine: Engine
) -> None:
    migrate.upgrade(migrated_url, migrations)
    with engine.connect() as tx:
        once = definitions(tx)
    migrate.upgrade(migrated_url, migrations)
    with engine.connect() as tx:
        assert definitions(tx) == once


def test_a_user_without_the_right_to_create_the_database_learns_why(migrated_url: str) -> None:
    engine = create_engine(make_url(migrated_url).set(database="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as tx:
        tx.execute(text("DROP ROLE IF EXISTS powerless"))
        tx.execute(text("CREATE ROLE powerless LOGIN PASSWORD 'powerless'"))
        try:
            url = make_url(migrated_url).set(username="powerless", password="powerless")
            with pytest.raises(migrate.DatabaseMissing, match="powerless may not create it"):
                migrate.upgrade(url.render_as_string(hide_password=False), migrate.CLEARING_DATA_MIGRATIONS)
        finally:
            tx.execute(text("DROP ROLE powerless"))
    engine.dispose()


MARKET_DATA = migrate.MARKET_DATA_MIGRATIONS
DAY_US = 86_400_000_000
OLD_REPORT = "(1, 1, 'order', true, 'ANN', 'MSFT', 'buy', 1, 1, NULL, 1, {event_us}, 1, 1, NULL, NULL, NULL)"


def test_rows_from_before_partitions_stay(migrated_url: str, engine: Engine) -> None:
    migrate.upgrade(migrated_url, MARKET_DATA, "0002")
    last_us = 20_000 * DAY_US + 5
    with engine.begin() as tx:
        tx.execute(text(f"INSERT INTO reports VALUES {OLD_REPORT.format(event_us=last_us)}"))
        tx.execute(text("INSERT INTO trades VALUES ('MSFT', 1, 1, 100, 1, 'buy', 7)"))
        for interval_s in (1, 60):
            tx.execute(text(f"INSERT INTO candles VALUES ('MSFT', {interval_s}, 60, 1, 1, 1, 1, 1, 1, 1)"))
    migrate.upgrade(migrated_url, MARKET_DATA, "0007")
    with engine.begin() as tx:
        places = "SELECT CAST(CAST(tableoid AS regclass) AS text) AS part FROM {} ORDER BY 1"
        assert tx.execute(text(places.format("reports"))).scalars().all() == ["reports_before_20241005"]
        assert tx.execute(text(places.format("trades"))).scalars().all() == ["trades_before_19700102"]
        assert tx.execute(text(places.format("candles"))).scalars().all() == [
            "candles_1s_before_19700102",
            "candles_wide",
        ]
        tx.execute(text(f"INSERT INTO reports VALUES {OLD_REPORT.format(event_us=20_001 * DAY_US)}"))
        assert tx.execute(text(places.format("reports"))).scalars().all() == [
            "reports_before_20241005",
            "reports_default",
        ]


def test_partitions_can_be_reverted(migrated_url: str, engine: Engine) -> None:
    migrate.upgrade(migrated_url, MARKET_DATA, "0002")
    with engine.begin() as tx:
        before = definitions(tx)
        tx.execute(text(f"INSERT INTO reports VALUES {OLD_REPORT.format(event_us=5)}"))
    migrate.upgrade(migrated_url, MARKET_DATA)
    migrate.downgrade(migrated_url, MARKET_DATA, "0002")
    with engine.begin() as tx:
        assert definitions(tx) == before
        assert tx.execute(text("SELECT order_id, event_us FROM reports")).all() == [(1, 5)]
