"""The growth of the stores, from earlier samples."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from celery_app.settings import settings
from db.connect import Database
from deploy.local import growth
from deploy.local.places import Instance


def sampled(tmp_path: Path, *samples: tuple[int, dict[str, int]]) -> Instance:
    """Return an instance with samples of these ages [s]."""
    now_s = round(time.time())
    text = json.dumps([{"at_s": now_s - age_s, "bytes": held} for age_s, held in samples])
    (tmp_path / "growth.json").write_text(text)
    return Instance(tmp_path)


def test_growth_is_measured_against_an_hour_ago(tmp_path: Path) -> None:
    instance = sampled(tmp_path, (7200, {"a": 0}), (3600, {"a": 400}), (90, {"a": 990}))
    assert growth.per_hour(instance, {"a": 1000}) == {"a": pytest.approx(600, rel=0.01)}


def test_growth_of_a_new_exchange_is_unknown(tmp_path: Path) -> None:
    assert growth.per_hour(sampled(tmp_path, (30, {"a": 0})), {"a": 1000}) == {}
    assert growth.per_hour(Instance(tmp_path / "new"), {"a": 1000}) == {}


def test_bounded_and_new_stores_have_no_growth(tmp_path: Path) -> None:
    instance = sampled(tmp_path, (3600, {"a": 0, "logs": 0}))
    assert growth.per_hour(instance, {"a": 1, "b": 1, "logs": 1}).keys() == {"a"}


def test_the_databases_and_folders_are_measured(tmp_path: Path, clearing_data: Database) -> None:
    instance = Instance(tmp_path)
    (instance.folder("logs") / "api.log").write_bytes(b"x" * 100_000)
    held = growth.take_sample(instance, settings())
    assert all(size > 1_000_000 for name, size in held.items() if name.startswith(("clearing", "market")))
    assert 100_000 <= held["logs"] < 200_000
    assert len(held) == 3
    growth.take_sample(instance, settings())
    assert len(json.loads((tmp_path / "growth.json").read_text())) == 2


def test_the_size_of_a_trade_is_known_once_postgres_has_counted(clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        tx.execute(
            text(
                "INSERT INTO ledger (event_id, kind, account, contra_account, cash_cents, shares, booked_us) "
                "SELECT n / 2, 'trade', 'SINGLE', 'DTCC', 1, 1, n FROM generate_series(1, 20000) AS n"
            )
        )
    with clearing_data.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE ledger"))
    a_trade = growth.bytes_a_trade(settings())
    assert a_trade is not None
    assert 100 < a_trade < 1_000
