"""`python -m tasks.referee`: leads all competitions, each in a thread of its own, until a signal stops it.

If several referees run, one works; another takes over when the first one's connection to Postgres ends.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from pathlib import Path
from threading import Event, Thread

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from bots.errors import ExchangeError
from bots.live.access import ADMIN_ENTRY
from celery_app import logs
from celery_app.settings import Settings, settings
from db.clearing_data.competition import competitions
from db.connect import Database
from tasks.referee.exchange import RefereeClient
from tasks.referee.round import Leader

log = structlog.get_logger()

NAME = "referee"
# Pause between two looks at the competitions, and between two while there are none [s].
LOOK_S = 0.2
IDLE_S = 1.0
# Pause before a step is retried that the exchange refused or could not do, and one that failed otherwise [s].
AGAIN_S = 1.0
FAILED_S = 10.0
# How long a request is retried within a step [s].
PATIENCE_S = 3.0
_CONNECTIONS = 16
# The address of an api that listens on every address.
LOOPBACK, EVERYWHERE = "127.0.0.1", frozenset({"0.0.0.0", "::"})  # noqa: S104  # nothing listens there because of this
# The number is arbitrary.
_LOCK = 7_266_006


def main() -> int:
    """Lead the competitions until a signal stops the process."""
    logs.configure()
    stopped = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    s = settings()
    url = s.clearing_data_url.get_secret_value()
    database = Database(url, application_name=NAME, pool_size=_CONNECTIONS, try_first=True)
    liveness = Path(s.run_directory) / "alive" / f"{NAME}-{os.getpid()}@{socket.gethostname()}"
    liveness.parent.mkdir(parents=True, exist_ok=True)
    log.info("referee_ready", process=liveness.name)
    watch = Database(url, application_name=NAME)
    while not stopped.is_set():
        try:
            with watch.engine.connect() as tx:
                if _is_only_one(tx):
                    _work(database, tx, stopped, liveness)
        except DBAPIError as fault:
            log.warning("waiting", fault=str(fault.orig).partition("\n")[0][:200])
        else:
            liveness.write_text(f"{time.time():.0f}\n")
        stopped.wait(AGAIN_S)
    return 0


def _is_only_one(tx: Connection) -> bool:
    """Take the referees' lock and return whether no other referee has it; it lasts as long as the connection."""
    held: bool = tx.exec_driver_sql("SELECT pg_try_advisory_lock(%s)", (_LOCK,)).scalar_one()
    tx.rollback()
    return held


def _work(database: Database, watched: Connection, stopped: Event, liveness: Path) -> None:
    """Lead all competitions until the process stops, or until the connection that holds the referees' lock ends."""
    leading: dict[int, Thread] = {}
    over = Event()
    try:
        unfinished: list[int] = []
        while not stopped.wait(LOOK_S if unfinished else IDLE_S):
            watched.exec_driver_sql("SELECT 1")
            watched.rollback()
            with database.transaction() as tx:
                unfinished = [one.number for one in competitions.unfinished(tx)]
            for number in unfinished:
                if number not in leading or not leading[number].is_alive():
                    leading[number] = Thread(target=_lead, args=(database, number, over), name=f"competition {number}")
                    leading[number].start()
            liveness.write_text(f"{time.time():.0f}\n")
    finally:
        over.set()
        for thread in leading.values():
            thread.join()


def _lead(database: Database, number: int, over: Event) -> None:
    """Lead one competition. A failed step is retried: the exchange was down, or the organiser changed something."""
    s = settings()
    key = _admin_key(s.run_directory / "keys.json")
    leader = Leader(database, RefereeClient(_url(s), key, patience_s=PATIENCE_S), number)
    try:
        while not over.is_set():
            try:
                if leader.advance():
                    return
                over.wait(LOOK_S)
            except (ExchangeError, DBAPIError) as fault:
                log.warning("step_repeated", competition=number, fault=str(fault).partition("\n")[0][:200])
                over.wait(AGAIN_S)
            except Exception:
                # What is wrong with one competition, such as a security delisted in play, holds up no other one.
                log.exception("step_failed", competition=number)
                over.wait(FAILED_S)
    finally:
        leader.stop()


def _url(s: Settings) -> str:
    host = LOOPBACK if s.api_host in EVERYWHERE else s.api_host
    return f"http://{host}:{s.api_port}"


def _admin_key(file: Path) -> str:
    """Return the admin's key, which deploy.migrate wrote."""
    key: str = json.loads(file.read_text())[ADMIN_ENTRY]
    return key


if __name__ == "__main__":
    raise SystemExit(main())
