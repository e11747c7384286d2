"""`deploy.migrate` prepares everything once, and reports a failure in one sentence."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from celery_app.settings import Settings
from db.clearing_data import initial_data, keys
from db.connect import Database
from deploy import migrate
from deploy.processes import BOTS
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
    assert held.keys() == {"admin", *initial_data.TRADERS}
    with clearing_data.transaction() as tx:
        owners = {entry: keys.find_key(tx, key) for entry, key in held.items()}
    assert owners.pop("admin") == keys.Identity(keys.ADMIN, "admin")
    assert owners == {client_id: keys.Identity(client_id, "client") for client_id in initial_data.TRADERS}


def test_each_bot_gets_a_file_with_its_own_key_and_no_other(clearing_data: Database, tmp_path: Path) -> None:
    migrate.prepare(settings(tmp_path))
    held = keys_in(tmp_path)
    for account in map(str.upper, BOTS):
        file = migrate.key_file(tmp_path, account)
        assert json.loads(file.read_text()) == {account: held[account]}
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with clearing_data.transaction() as tx:
        revoke_keys(tx, "GAUSS", now_us=1)
    migrate.prepare(settings(tmp_path))
    assert json.loads(migrate.key_file(tmp_path, "GAUSS").read_text()) == {"GAUSS": keys_in(tmp_path)["GAUSS"]}


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


def test_another_number_of_shards_is_refused(clearing_data: Database, tmp_path: Path) -> None:
    with pytest.raises(migrate.NotPrepared, match="made with 2 shards and SHARDS is 5: set SHARDS=2"):
        migrate.prepare(settings(tmp_path, shards=5))


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
