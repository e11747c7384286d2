"""`python -m deploy.migrate`: migrates the databases, loads initial data, writes keys, and makes users and queues.

It runs at each start before everything else, and changes nothing if all of that exists.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from bots.live.access import ADMIN_ENTRY
from bots.live.crew import VALUES_FILE
from bots.live.crew import Market as HiddenMarket
from bots.roster import Crew
from bots.strategies import Informed
from celery_app.clock import now_us
from celery_app.settings import Settings, settings
from db.clearing_data import initial_data
from db.clearing_data.clients import accounts, keys
from db.connect import Database
from db.migrate import DatabaseMissing, migrate
from deploy import broker_users, database_users, market_file
from deploy.local.failure import Failure
from deploy.local.variables import bots_of
from deploy.market_file import MarketFile
from deploy.processes import NEWSROOM
from tasks.catch_up.begin import begin


class NotPrepared(Exception):
    """The exchange cannot start; the message says why and what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Prepare everything; exit status 1 and one sentence if that fails."""
    command = argparse.ArgumentParser(prog="python -m deploy.migrate", description=(__doc__ or "").partition("\n")[0])
    command.add_argument(
        "--bots", default="", help="bots that trade instead of those in the market file; none starts no bots"
    )
    options = command.parse_args(arguments)
    try:
        prepare(settings(), bots=options.bots)
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


def prepare(settings: Settings, *, bots: str = "") -> None:
    """Prepare the databases, the accounts and the files of keys for a start.

    bots    a list of the bots that trade; empty for those of the market's file
    raises  NotPrepared
    """
    try:
        market = market_file.read(settings.market)
        crews = bots_of(bots, market)
    except (market_file.MarketFileError, Failure) as fault:
        raise NotPrepared(str(fault)) from fault
    clearing_data_url = settings.clearing_data_url.get_secret_value()
    market_data_url = settings.market_data_url.get_secret_value()
    database = Database(clearing_data_url, application_name="migrate")
    market_data = Database(market_data_url, application_name="migrate")
    try:
        migrate(clearing_data_url, market_data_url)
        with database.transaction() as tx:
            started_us = now_us()
            initial_data.load(tx, shards=settings.shards, now_us=started_us, market=market.market())
            open_accounts(tx, market, crews, now_us=started_us)
            hand_out_keys(tx, settings.run_directory / "keys.json", crews, now_us=started_us)
            hand_out_values(settings.run_directory, market, crews, now_us=started_us)
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


def open_accounts(tx: Connection, market: MarketFile, crews: Sequence[Crew], *, now_us: int) -> None:
    """Open the accounts of the bots, and give each bot shares of the securities that it trades, once.

    raises  initial_data.TransferRefused  too few shares are issued
    """
    for seat in (seat for crew in crews for seat in crew.seats):
        cash_cents, shares = market.opening(seat.account, seat.securities)
        if initial_data.open_trader(tx, seat.account, cash_cents=cash_cents, shares=shares, now_us=now_us):
            continue
        held = {holding.security_id for holding in accounts.holdings(tx, seat.account)}
        for security_id in shares.keys() - held:
            initial_data.deposit_shares_once(tx, seat.account, security_id, shares[security_id], now_us=now_us)


def hand_out_values(run_directory: Path, market: MarketFile, crews: Sequence[Crew], *, now_us: int) -> None:
    """Write the hidden values for the newsroom and the informed bots; the first start draws their seed."""
    file = run_directory / VALUES_FILE
    if file.exists():
        known = msgspec.json.decode(file.read_bytes(), type=HiddenMarket)
        seed, began_s = known.values.seed, known.began_s
    else:
        seed, began_s = secrets.randbits(53), now_us / 1_000_000
    chosen = market.hidden_values.seed
    hidden = HiddenMarket(values=market.values(seed if chosen is None else chosen), began_s=began_s)
    text = msgspec.json.encode(hidden).decode() + "\n"
    informed = [crew.name for crew in crews if isinstance(crew.entry.made(), Informed)]
    for folder in (run_directory, *(key_file(run_directory, name).parent for name in (*informed, NEWSROOM))):
        if crews and (not (folder / VALUES_FILE).exists() or (folder / VALUES_FILE).read_text() != text):
            _write_secret(folder / VALUES_FILE, text)


def hand_out_keys(tx: Connection, file: Path, crews: Sequence[Crew], *, now_us: int) -> None:
    """Write a valid key of the admin, of each initial account and of each bot to the file.

    Each process of bots has a file of its own next to it, with only their keys, and the newsroom one with the admin's.
    A key that the database does not know, because it belongs to another database or was revoked, is replaced.
    """
    held: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    valid = {entry: key for entry, key in held.items() if keys.find_key(tx, key) is not None}
    bots = {crew.name: [seat.account for seat in crew.seats] for crew in crews}
    for entry in (ADMIN_ENTRY, *initial_data.TRADERS, *(account for some in bots.values() for account in some)):
        if entry not in valid:
            admin = entry == ADMIN_ENTRY
            client_id = keys.ADMIN if admin else entry
            valid[entry] = keys.make_key(tx, client_id, role="admin" if admin else "client", now_us=now_us)
    if valid != held:
        _write_secret(file, _json(valid))
    for process, entries in (bots | ({NEWSROOM: [ADMIN_ENTRY]} if bots else {})).items():
        own, only = key_file(file.parent, process), _json({entry: valid[entry] for entry in entries})
        if not own.exists() or own.read_text() != only:
            _write_secret(own, only)


def key_file(run_directory: Path, process: str) -> Path:
    """Return the file with only the keys of a process's bots; its container sees only its folder."""
    return run_directory / "keys" / process.upper() / "keys.json"


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
