"""`python -m tasks.moving MSFT 3`: move a security to another shard; `make move SECURITY=MSFT SHARD=3` runs it."""

from __future__ import annotations

import argparse
import sys

import psycopg2
import structlog
from sqlalchemy.exc import DBAPIError

from celery_app import fail_points, logs
from celery_app.app import app
from celery_app.clock import now_us
from celery_app.publisher import NotSent, OutcomeUnknown, Publisher
from celery_app.settings import settings
from db.connect import Database
from tasks.moving.move import Moved, MoveRefused, move, notices

log = structlog.get_logger()


def main() -> int:
    """Move the security; exit status 1 and one sentence if that is refused or fails."""
    arguments = argparse.ArgumentParser(prog="python -m tasks.moving", description="move a security to another shard")
    arguments.add_argument("security_id")
    arguments.add_argument("shard", type=int)
    asked = arguments.parse_args()
    logs.configure()
    database = Database(settings().clearing_data_url.get_secret_value(), application_name="moving")
    try:
        moved = move(database, asked.security_id, asked.shard, now_us=now_us())
    except MoveRefused as refusal:
        return _refuse(str(refusal))
    except (DBAPIError, psycopg2.Error) as fault:
        return _refuse(f"Postgres does not answer ({str(fault).splitlines()[0][:200]}); run the command again")
    if moved is None:
        sys.stdout.write(f"{asked.security_id} is on shard {asked.shard}\n")
        return 0
    _notify(moved)
    sys.stdout.write(
        f"{asked.security_id} is on shard {asked.shard}, with {moved.orders:,} open orders; "
        f"no command of the two shards was sequenced for {1_000 * moved.paused_s:.0f} ms\n"
    )
    return 0


def _notify(moved: Moved) -> None:
    publisher = Publisher(app)
    try:
        publisher.send_all(notices(moved.move, now_us=now_us()))
        fail_points.reach("moving.notified")
    except (NotSent, OutcomeUnknown) as fault:
        # The engines read the log by themselves, and the catch-up covers the two commands.
        log.warning("move_not_announced", fault=str(fault)[:200])
    finally:
        publisher.close()


def _refuse(sentence: str) -> int:
    sys.stderr.write(f"{sentence}\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
