"""Several bots in one process, and the newsroom, on a whole exchange."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from bots.client import Client
from bots.hidden_value import Values
from bots.live.crew import VALUES_FILE, Market
from db.connect import Database
from tests.support.exchange import Exchange, running_exchange

ROOT = Path(__file__).parents[3]


@pytest.fixture
def exchange(clearing_data: Database, market_data: Database) -> Iterator[Exchange]:
    with running_exchange(without=["referee"]) as running:
        yield running


def bots(*arguments: str, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as out:
        return subprocess.Popen([sys.executable, "-m", "bots", *arguments], stderr=out, cwd=ROOT)


def test_a_crew_trades_for_its_accounts_and_the_newsroom_publishes(exchange: Exchange, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps(exchange.keys))
    values = Values(seed=1, references=(("MSFT", 100.0), ("AAPL", 100.0)), volatility=0.001, news_every_s=1.0)
    keys.with_name(VALUES_FILE).write_bytes(msgspec.json.encode(Market(values=values, began_s=time.time())))
    common = ("--url", exchange.url, "--keys-file", str(keys))
    started = [
        bots(
            "crew", "flood(rate=20)", "--bot", "FLOOD=MSFT", "--bot", "GAUSS=AAPL", *common, log=tmp_path / "crew.log"
        ),
        bots("crew", "informed", "--bot", "SINGLE=AAPL", *common, log=tmp_path / "informed.log"),
        bots("newsroom", *common, log=tmp_path / "newsroom.log"),
    ]
    try:
        anyone = Client(exchange.url)
        for name, security_id in (("FLOOD", "MSFT"), ("GAUSS", "AAPL")):
            client = Client(exchange.url, exchange.keys[name])
            exchange.wait_until(lambda client=client: any(client.orders()), f"{name} has ordered")
            assert {order.security_id for order in client.orders()} == {security_id}
        exchange.wait_until(lambda: len(list(anyone.news())) > 1, "news")
        headlines = {values.news(slot).headline for slot in range(600)}
        assert {item.headline for item in anyone.news()} <= headlines
        assert "strategy=Informed" in (tmp_path / "informed.log").read_text()
        for process in started:
            process.send_signal(signal.SIGTERM)
        assert [process.wait(timeout=60) for process in started] == [0, 0, 0]
    finally:
        for process in started:
            process.kill()
            process.wait()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("crew", "flod", "--bot", "FLOOD=MSFT"), "there is no bot flod"),
        (("crew", "flood", "--bot", "FLOOD"), "--bot FLOOD must be like ALICE=MSFT"),
        (("crew", "flood", "--bot", "NOBODY=MSFT"), "keys.json has no key for NOBODY"),
        (("crew", "informed", "--bot", "FLOOD=MSFT"), "the hidden values cannot be read from "),
        (("newsroom",), "keys.json has no key for admin"),
    ],
)
def test_what_cannot_start_says_why_in_one_sentence(tmp_path: Path, arguments: tuple[str, ...], sentence: str) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"FLOOD": "k"}))
    process = bots(*arguments, "--keys-file", str(keys), log=tmp_path / "log")
    assert process.wait(timeout=60) == 1
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert line.startswith("python -m bots: ")
    assert sentence in line


def test_a_crew_whose_key_is_refused_ends(exchange: Exchange, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"FLOOD": "wrong", "GAUSS": exchange.keys["GAUSS"]}))
    process = bots(
        *("crew", "flood", "--bot", "FLOOD=MSFT", "--bot", "GAUSS=MSFT", "--url", exchange.url),
        *("--keys-file", str(keys)),
        log=tmp_path / "log",
    )
    assert process.wait(timeout=60) == 1
    assert "python -m bots: FLOOD: " in (tmp_path / "log").read_text()
