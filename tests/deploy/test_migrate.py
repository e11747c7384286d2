"""`deploy.migrate` prepares everything once, and reports a failure in one sentence."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from bots.live.crew import VALUES_FILE, Market
from celery_app.settings import Settings
from db.clearing_data import initial_data
from db.clearing_data.clients import accounts, keys
from db.connect import Database
from deploy import market_file, migrate
from deploy.processes import NEWSROOM
from tests.support.clearing_rows import revoke_keys


def settings(run_directory: Path, **others: object) -> Settings:
    return Settings().model_copy(update={"run_directory": run_directory, **others})


def keys_in(run_directory: Path) -> dict[str, str]:
    held: dict[str, str] = json.loads((run_directory / "keys.json").read_text())
    return held


def test_every_account_gets_a_valid_key(clearing_data: Database, tmp_path: Path) -> None:
    migrate.prepare(settings(tmp_path))
    assert stat.S_IMODE((tmp_path / "keys.json").stat().st_mode) == 0o600
    held = keys_in(tmp_path)
    bots = {seat.account for crew in market_file.read(settings(tmp_path).market).crews() for seat in crew.seats}
    assert held.keys() == {"admin", *initial_data.TRADERS, *bots}
    with clearing_data.transaction() as tx:
        owners = {entry: keys.find_key(tx, key) for entry, key in held.items()}
    assert owners.pop("admin") == keys.Identity(keys.ADMIN, "admin")
    assert owners == {client_id: keys.Identity(client_id, "client") for client_id in (*initial_data.TRADERS, *bots)}


def test_each_process_of_bots_gets_a_file_with_their_keys_and_no_other(clearing_data: Database, tmp_path: Path) -> None:
    migrate.prepare(settings(tmp_path))
    held = keys_in(tmp_path)
    for crew in market_file.read(settings(tmp_path).market).crews():
        file = migrate.key_file(tmp_path, crew.name)
        assert json.loads(file.read_text()) == {seat.account: held[seat.account] for seat in crew.seats}
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(migrate.key_file(tmp_path, NEWSROOM).read_text()) == {"admin": held["admin"]}
    with clearing_data.transaction() as tx:
        revoke_keys(tx, "GAUSS", now_us=1)
    migrate.prepare(settings(tmp_path))
    assert json.loads(migrate.key_file(tmp_path, "GAUSS").read_text()) == {"GAUSS": keys_in(tmp_path)["GAUSS"]}


def test_a_bot_begins_with_shares_of_what_it_trades(clearing_data: Database, tmp_path: Path) -> None:
    migrate.prepare(settings(tmp_path), bots="informed:2, retail(security=SHEL)")
    migrate.prepare(settings(tmp_path), bots="informed(security=TSLA), retail(security=SHEL)")
    with clearing_data.transaction() as tx:
        held = {
            account: {one.security_id: one.shares for one in accounts.holdings(tx, account)}
            for account in ("INFORMED", "INFORMED_2", "RETAIL")
        }
        balances = [one.balance_cents for one in accounts.all_accounts(tx) if one.client_id in held]
    assert held == {
        "INFORMED": {"MSFT": 500, "TSLA": 500},
        "INFORMED_2": {"AAPL": 500},
        "RETAIL": {"MSFT": 1_000, "SHEL": 500},
    }
    assert balances == [6_000_000, 6_000_000, 1_000_000]
    with pytest.raises(migrate.NotPrepared, match="wrong BOTS: there is no bot flod"):
        migrate.prepare(settings(tmp_path), bots="flod")


def test_hidden_values_go_only_to_processes_that_need_them_and_stay(clearing_data: Database, tmp_path: Path) -> None:
    migrate.prepare(settings(tmp_path), bots="informed:2, retail")
    files = sorted(file.parent.name for file in tmp_path.rglob(VALUES_FILE))
    assert files == sorted(["INFORMED", "NEWSROOM", tmp_path.name])
    first = Market.read(migrate.key_file(tmp_path, "informed"))
    assert first == Market.read(migrate.key_file(tmp_path, NEWSROOM))
    assert dict(first.values.references)["SHEL"] == 100.0
    assert stat.S_IMODE(migrate.key_file(tmp_path, "informed").with_name(VALUES_FILE).stat().st_mode) == 0o600
    migrate.prepare(settings(tmp_path), bots="informed")
    assert Market.read(migrate.key_file(tmp_path, "informed")) == first


def test_a_second_run_changes_nothing(clearing_data: Database, tmp_path: Path) -> None:
    migrate.prepare(settings(tmp_path))
    before = keys_in(tmp_path)
    migrate.prepare(settings(tmp_path))
    assert keys_in(tmp_path) == before


def test_keys_of_another_database_and_revoked_ones_are_replaced(clearing_data: Database, tmp_path: Path) -> None:
    migrate.prepare(settings(tmp_path))
    before = keys_in(tmp_path)
    with clearing_data.transaction() as tx:
        revoke_keys(tx, "GAUSS", now_us=1)
    (tmp_path / "keys.json").write_text(json.dumps(before | {"SINGLE": "sx_of_another_database"}))
    migrate.prepare(settings(tmp_path))
    after = keys_in(tmp_path)
    assert {entry for entry in before if before[entry] != after[entry]} == {"GAUSS", "SINGLE"}


def test_fewer_shards_than_before_are_refused(clearing_data: Database, tmp_path: Path) -> None:
    with pytest.raises(migrate.NotPrepared, match="the database has 2 shards and SHARDS is 1: set SHARDS=2"):
        migrate.prepare(settings(tmp_path, shards=1))


def test_a_postgres_that_is_away_is_reported_in_one_sentence(tmp_path: Path) -> None:
    nowhere = "postgresql://exchange@127.0.0.1:1/clearing_data"
    ended = subprocess.run(
        [sys.executable, "-m", "deploy.migrate"],
        env=os.environ | {"CLEARING_DATA_URL": nowhere, "RUN_DIRECTORY": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    (sentence,) = ended.stderr.splitlines()
    assert sentence.startswith("Postgres refuses (")
    assert "start it, or correct CLEARING_DATA_URL" in sentence
