"""Temporary databases on the servers of the settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, make_url, text

from db.migrate import upgrade


@contextmanager
def scratch_database(url: str, migrations: Path) -> Iterator[str]:
    """Give the address of an empty, migrated database, and drop it after the block; an exchange there is unaffected."""
    neighbour = make_url(url)
    name = f"{neighbour.database}_scratch"
    address = neighbour.set(database=name).render_as_string(hide_password=False)
    _drop(url, name)
    upgrade(address, migrations)
    try:
        yield address
    finally:
        _drop(url, name)


def _drop(url: str, name: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as tx:
        tx.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
    engine.dispose()
