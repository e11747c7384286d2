"""`python -m deploy.migrate`: migrates the databases, loads initial data, writes keys, and makes users and queues.

It runs at each start before everything else, and changes nothing if all of that exists.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from celery_app.clock import now_us
from celery_app.settings import Settings, settings
from db.clearing_data import initial_data, keys
from db.connect import Database
from db.migrate import DatabaseMissing, migrate
from deploy import broker_users, database_users, market_file
from deploy.processes import BOTS
from tasks.catch_up.begin import begin

# The admin's entry in the file of keys; every other one is the client id of an account.
ADMIN_ENTRY = "admin"


class NotPrepared(Exception):
    """The exchange cannot start; the message says why and what to do."""


def main() -> int:
    """Prepare everything; exit status 1 and one sentence if that fails."""
    try:
        prepare(settings())
        make_users(settings())
    except NotPrepared as refusal:
        print(refusal, file=sys.stderr)
        return 1
    return 0


def make_users(settings: Settings) -> None:
    """Make the users of RabbitMQ that the settings name, and their queues and exchanges.

    raises  NotPrepared
    """
    passwords = {role: password.get_secret_value() for role, password in settings.broker_users.items()}
    if passwords:
        try:
            broker_users.make_users(
                settings.broker_url.get_secret_value(), settings.broker_management_url.get_secret_value(), passwords
            )
        except broker_users.NotMade as fault:
            raise NotPrepared(str(fault)) from fault


def prepare(settings: Settings) -> None:
    """Prepare the databases and the file of keys for a start.

    raises  NotPrepared
    """
    try:
        market = market_file.read(settings.market).market()
    except market_file.MarketFileError as fault:
        raise NotPrepared(str(fault)) from fault
    clearing_data_url = settings.clearing_data_url.get_secret_value()
    market_data_url = settings.market_data_url.get_secret_value()
    database = Database(clearing_data_url, application_name="migrate")
    market_data = Database(market_data_url, application_name="migrate")
    try:
        migrate(clearing_data_url, market_data_url)
        with database.transaction() as tx:
            started_us = now_us()
            initial_data.load(tx, shards=settings.shards, now_us=started_us, market=market)
            hand_out_keys(tx, settings.run_directory / "keys.json", now_us=started_us)
        begin(database, market_data)
        _make_database_users(settings)
    except (initial_data.WrongNumberOfShards, DatabaseMissing) as refusal:
        raise NotPrepared(str(refusal)) from refusal
    except DBAPIError as fault:
        said = str(fault.orig).strip().splitlines() or ["no reason given"]
        raise NotPrepared(
            f"Postgres refuses ({said[0]}): start it, or correct CLEARING_DATA_URL and MARKET_DATA_URL"
        ) from fault
    finally:
        database.engine.dispose()
        market_data.engine.dispose()


def _make_database_users(settings: Settings) -> None:
    """Make the users of Postgres that the settings name, and grant their rights in the migrated databases."""
    passwords = {user: password.get_secret_value() for user, password in settings.database_users.items()}
    if passwords:
        database_users.make_users(settings.clearing_data_url.get_secret_value(), passwords)
        for variable, url in (
            ("CLEARING_DATA_URL", settings.clearing_data_url),
            ("MARKET_DATA_URL", settings.market_data_url),
        ):
            database_users.grant(url.get_secret_value(), variable, passwords)


def hand_out_keys(tx: Connection, file: Path, *, now_us: int) -> None:
    """Write a valid key of the admin and of each initial account to the file.

    Each bot has a file of its own next to it, with only its own key. A key that the database does not know, because it
    belongs to another database or was revoked, is replaced.
    """
    held: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    valid = {entry: key for entry, key in held.items() if keys.find_key(tx, key) is not None}
    for entry in (ADMIN_ENTRY, *initial_data.TRADERS):
        if entry not in valid:
            admin = entry == ADMIN_ENTRY
            client_id = keys.ADMIN if admin else entry
            valid[entry] = keys.make_key(tx, client_id, role="admin" if admin else "client", now_us=now_us)
    if valid != held:
        _write_secret(file, _json(valid))
    for account in map(str.upper, BOTS):
        own, only = key_file(file.parent, account), _json({account: valid[account]})
        if not own.exists() or own.read_text() != only:
            _write_secret(own, only)


def key_file(run_directory: Path, account: str) -> Path:
    """Return the file with only the key of a bot's account; the bot's container sees only its folder."""
    return run_directory / "keys" / account / "keys.json"


def _json(content: dict[str, str]) -> str:
    return json.dumps(content, indent=2) + "\n"


def _write_secret(file: Path, text: str) -> None:
    """Write a file that only its owner can read, completely or not at all."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)
    partial.rename(file)


if __name__ == "__main__":
    raise SystemExit(main())
