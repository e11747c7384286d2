"""`python -m tasks.catch_up`: watch for lost messages; `... republish --shard 0 --from 123`: publish again by hand.

Any number of these processes may run: the stages discard events that they already have.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Event

import psycopg2
import structlog
from sqlalchemy.exc import DBAPIError

from celery_app import app, logs
from celery_app.faults import INVARIANT_BROKEN_STATUS, InvariantBroken, is_transient
from celery_app.publisher import NotSent, OutcomeUnknown
from celery_app.settings import settings
from db.clearing_data import catch_up
from db.connect import Database
from tasks.catch_up.begin import begin
from tasks.catch_up.broker import CatchUpBroker
from tasks.catch_up.watch import Watch

log = structlog.get_logger()

LOOK_S = 1.0
NAME = "catch_up"


def main(arguments: Sequence[str] | None = None) -> int:
    """Watch until a signal stops the process, or publish again and return."""
    parser = argparse.ArgumentParser(prog="python -m tasks.catch_up", description="Publish lost messages again.")
    commands = parser.add_subparsers(dest="command")
    republish = commands.add_parser("republish", help="publish everything of a shard again from a command on")
    republish.add_argument("--shard", type=int, required=True)
    republish.add_argument("--from", type=int, required=True, dest="first_seq", metavar="SEQ")
    asked = parser.parse_args(arguments)
    if asked.command == "republish":
        return _republish(asked.shard, asked.first_seq)
    logs.configure()
    return _watch()


def _databases() -> tuple[Database, Database]:
    s = settings()
    return (
        Database(s.clearing_data_url.get_secret_value(), application_name=NAME),
        Database(s.market_data_url.get_secret_value(), application_name=NAME),
    )


def _watch() -> int:
    """Look for lost messages once a second; wait for unavailable services. A damaged log ends the process."""
    stopped = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    databases, broker = _databases(), CatchUpBroker(app)
    watch = Watch(*databases, broker)
    begun = False
    liveness = Path(settings().run_directory) / "alive" / f"{NAME}-{os.getpid()}@{socket.gethostname()}"
    liveness.parent.mkdir(parents=True, exist_ok=True)
    while not stopped.wait(LOOK_S if begun else 0):
        try:
            if not begun:
                begin(*databases)
                log.info("catch_up_ready", process=liveness.name)
                begun = True
            watch.look()
            # As in a worker, the file is written while RabbitMQ and Postgres are available.
            liveness.write_text(f"{time.time():.0f}\n")
        except InvariantBroken:
            log.critical("invariant_broken", stage=NAME, exc_info=True)
            return INVARIANT_BROKEN_STATUS
        except Exception as fault:
            if not is_transient(fault):
                raise
            log.warning("waiting", fault=str(fault).partition("\n")[0][:200])
            watch.forget()
            stopped.wait(LOOK_S)
    return 0


def _republish(shard: int, first_seq: int) -> int:
    """Publish again, and print how many messages; if that is impossible, print why and return 1."""
    databases = _databases()
    try:
        with databases[0].transaction() as tx:
            heads = {head.shard: head for head in catch_up.heads(tx)}
        if shard not in heads:
            return _refuse(f"there is no shard {shard}; there are {', '.join(map(str, heads))}")
        if not 1 <= first_seq <= heads[shard].last_seq:
            return _refuse(f"shard {shard} has the commands 1 to {heads[shard].last_seq}, not {first_seq}")
        sent = Watch(*databases, CatchUpBroker(app)).republish(shard, first_seq)
    except (DBAPIError, psycopg2.Error, NotSent, OutcomeUnknown) as fault:
        return _refuse(f"not all messages were published again because a service is away: {fault}; see `make status`")
    except InvariantBroken as broken:
        return _refuse(f"the log is damaged: {broken}; run `make audit`")
    sys.stdout.write(f"{sent} messages of shard {shard} from command {first_seq} on are on their queues again\n")
    return 0


def _refuse(why: str) -> int:
    sys.stderr.write(f"{why}\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
