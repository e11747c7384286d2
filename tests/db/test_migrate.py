"""The migrated schemas are the ones of tables.py, down to checks, partial indexes and storage options."""

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

DATABASES = [
    pytest.param(clearing_data, migrate.CLEARING_DATA_MIGRATIONS, id="clearing_data"),
    pytest.param(market_data, migrate.MARKET_DATA_MIGRATIONS, id="market_data"),
]

# What compare_metadata does not look at.
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
    WHERE table_schema = 'public' AND table_name NOT IN ('alembic_version', 'ledger_postings', 'pending_transfers')
""")


def scratch_url(name: str) -> str:
    """A database beside that of the tests, for one test."""
    address = make_url(settings().clearing_data_url.get_secret_value())
    return address.set(database=f"{address.database}_{name}").render_as_string(hide_password=False)


def drop(url: str) -> None:
    address = make_url(url)
    engine = create_engine(address.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as tx:
        tx.execute(text(f'DROP DATABASE IF EXISTS "{address.database}" WITH (FORCE)'))
    engine.dispose()


@pytest.fixture
def migrated_url() -> Iterator[str]:
    url = scratch_url("migrated")
    drop(url)
    yield url
    drop(url)


@pytest.fixture
def engine(migrated_url: str) -> Iterator[Engine]:
    engine = create_engine(migrated_url)
    yield engine
    engine.dispose()


def definitions(tx: Connection) -> set[tuple[str, ...]]:
    """Everything that defines the schema, but for Alembic's own table."""
    return {tuple(row) for row in tx.execute(DEFINITIONS) if "alembic_version" not in str(tuple(row))}


@pytest.mark.parametrize(("tables", "migrations"), DATABASES)
def test_migrating_makes_the_tables(tables: ModuleType, migrations: Path, migrated_url: str, engine: Engine) -> None:
    migrate.upgrade(migrated_url, migrations)
    with engine.connect() as tx:
        assert compare_metadata(MigrationContext.configure(tx), tables.metadata) == []
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


def test_a_user_who_may_not_create_the_database_is_told_so(migrated_url: str) -> None:
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
