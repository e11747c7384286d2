"""A process that knows the addresses of both servers continues on the promoted standby, with every commit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from celery_app.faults import is_transient
from db.connect import Database
from db.migrate import MARKET_DATA_MIGRATIONS, upgrade
from tests.support.postgres_pair import PostgresPair


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_no_acknowledged_commit_is_lost_when_the_primary_dies() -> None:
    acknowledged: list[int] = []
    faults: list[Exception] = []
    done = threading.Event()

    def write(database: Database) -> None:
        """Commit numbers as a stage commits its batches: again and again until it is acknowledged."""
        number = 1
        while not done.is_set():
            try:
                with database.transaction() as tx:
                    tx.execute(text("INSERT INTO numbers VALUES (:number) ON CONFLICT DO NOTHING"), {"number": number})
            except DBAPIError as fault:
                faults.append(fault)
                time.sleep(0.05)
            else:
                acknowledged.append(number)
                number += 1

    with PostgresPair() as pair:
        database = Database(pair.url)
        with database.transaction() as tx:
            tx.execute(text("CREATE TABLE numbers (number bigint PRIMARY KEY)"))
        writer = threading.Thread(target=write, args=[database])
        writer.start()
        try:
            wait_until(lambda: len(acknowledged) > 100)
            pair.kill_primary()
            wait_until(lambda: len(faults) > 3)
            before = len(acknowledged)
            pair.promote()
            wait_until(lambda: len(acknowledged) > before + 100)
        finally:
            done.set()
            writer.join()
        with database.snapshot() as tx:
            assert tx.execute(text("SELECT number FROM numbers ORDER BY number")).scalars().all() == acknowledged
        database.engine.dispose()
    # A stage retries each of these faults, because the same batch succeeds later.
    assert all(is_transient(fault) for fault in faults), faults


def test_a_database_is_migrated_that_a_standby_does_not_know_yet() -> None:
    with PostgresPair() as pair, ThreadPoolExecutor(1) as background:
        primary_first = make_url(pair.url)
        hosts = primary_first.query["host"]
        url = primary_first.update_query_dict({"host": tuple(reversed(hosts))}).set(database="new")
        database = Database(pair.url)
        pair.pause_standby()
        migrating = background.submit(upgrade, url.render_as_string(hide_password=False), MARKET_DATA_MIGRATIONS)
        wait_until(lambda: migrating.done() or _has_database(database, "new"))
        pair.pause_standby(paused=False)
        migrating.result()
        database.engine.dispose()


def _has_database(database: Database, name: str) -> bool:
    with database.transaction() as tx:
        return tx.execute(text("SELECT FROM pg_database WHERE datname = :name"), {"name": name}).first() is not None
