"""The commands of docs/write-a-bot.md lead to a bot that trades and is ranked."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from bots.client import Client
from bots.contract import LimitOrder
from bots.live import ending
from bots.template import TEMPLATE
from db.connect import Database
from tests.support.databases import renew_clearing_data, renew_market_data
from tests.support.exchange import ROOT, Exchange, running_exchange

GUIDE = (ROOT / "docs" / "write-a-bot.md").read_text()
PYTHON = ".venv/bin/python"
# On an idle machine two seconds show the same as the minute of the guide.
IN_THE_GUIDE = 60


def blocks_of(heading: str, language: str = "sh") -> list[str]:
    """Return the blocks of a language under the heading with this ending."""
    section = re.split(rf"^## .*{heading}\n", GUIDE, flags=re.MULTILINE)[1].split("\n## ", 1)[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


def typed(
    commands: str, folder: Path, exchange: Exchange | None = None, *, seconds: int = 2
) -> subprocess.CompletedProcess[str]:
    """Return commands of the guide for a folder outside the repository; a bot trades for this many seconds."""
    commands = commands.replace(PYTHON, shlex.quote(sys.executable))
    commands = commands.replace(f"--duration {IN_THE_GUIDE}s", f"--duration {seconds}s")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if exchange is not None:
        commands = commands.replace("http://127.0.0.1:8000", exchange.url).replace(
            ".run/", f"{exchange.instance.directory}/"
        )
        environment |= {
            "EXCHANGE_URL": exchange.url,
            "EXCHANGE_KEYS_FILE": str(exchange.instance.directory / "keys.json"),
        }
    shell = ["bash", "-euo", "pipefail", "-c", commands]
    return subprocess.run(shell, cwd=folder, env=environment, check=False, capture_output=True, text=True, timeout=600)


def done(commands: str, folder: Path, exchange: Exchange | None = None, *, seconds: int = 2) -> str:
    """Run commands of the guide, which have to succeed, and return their output."""
    said = typed(commands, folder, exchange, seconds=seconds)
    assert said.returncode == 0, said.stderr
    return said.stdout


@pytest.fixture(scope="module")
def exchange(_databases: tuple[Database, Database]) -> Iterator[Exchange]:
    """Run one exchange for all tests of this module; each trades for its own account."""
    renew_clearing_data(_databases[0])
    renew_market_data(_databases[1])
    with running_exchange(without=["referee"]) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of the guide's bot."""
    (command,) = blocks_of("a bot of fifteen lines")
    done(command, tmp_path)
    return tmp_path


def test_every_block_is_typed_here() -> None:
    headings = ("what you need", "a bot of fifteen lines", "an hour in a second", "ranked", "on the exchange")
    assert sum(len(blocks_of(heading)) for heading in headings) == GUIDE.count("```sh\n")


def test_the_libraries_are_available(tmp_path: Path) -> None:
    """Check everything except the download, which would take longer than all other tests."""
    (commands,) = blocks_of("what you need")
    make, install = commands.strip().splitlines()
    done(f"{make} --without-pip", tmp_path)
    assert (tmp_path / PYTHON).exists()
    done(f"cd {shlex.quote(str(ROOT))}; {install.replace('install', 'install --dry-run --no-deps')}", tmp_path)


def test_the_bot_that_is_shown_is_the_one_that_is_written(folder: Path) -> None:
    (shown,) = blocks_of("a bot of fifteen lines", "python")
    assert (folder / "my_bot.py").read_text() == shown == TEMPLATE.format(name="MyBot")
    assert len([line for line in shown.splitlines() if line]) <= 15


def test_it_is_simulated_and_the_outcome_is_as_shown(folder: Path) -> None:
    first, second = blocks_of("an hour in a second")
    (shown,) = blocks_of("an hour in a second", "text")
    printed = done(first, folder)
    assert set(shown.splitlines()) <= set(printed.splitlines())
    assert done(second, folder) != printed


def test_it_is_ranked_and_the_ranking_is_proven(folder: Path) -> None:
    play, prove = blocks_of("ranked")
    assert "--duration 1h" in play
    assert "MyBot" in done(play.replace("--duration 1h", "--duration 3m"), folder)
    with (folder / "ranked" / "scoreboard.csv").open() as table:
        ranked = {row["bot"]: row for row in csv.DictReader(table)}
    assert len(ranked) == 11
    assert (ranked["MyBot"]["matches"], ranked["MyBot"]["disqualified"]) == ("4", "0")
    assert (folder / "ranked" / "report.html").exists()
    assert "4 matches, played again" in done(prove, folder)


def test_it_trades_live_and_is_ranked(exchange: Exchange, folder: Path) -> None:
    seller = Client(exchange.url, exchange.keys["RETAIL"])
    seller.place(LimitOrder(security_id="MSFT", side="sell", quantity=20, price=Decimal("99.50")))
    yours, own, ranked = blocks_of("on the exchange")
    single = Client(exchange.url, exchange.keys["SINGLE"])

    # On a busy machine its seconds may be over before it receives a price: then it gets more of them,
    # up to those of the guide and beyond.
    for seconds in (2, 4, 8, 16, 32, IN_THE_GUIDE, 2 * IN_THE_GUIDE):
        done(yours, folder, exchange, seconds=seconds)
        if single.holding("MSFT", "SINGLE").shares > 1_000:
            break
    assert single.holding("MSFT", "SINGLE").shares > 1_000, "it has bought nothing of what was cheap"
    done(own, folder, exchange)
    ended = ending.read(folder / "ending.json")
    assert (ended.outcome, ended.client_id) == ("stopped", "ALICE")
    standings = json.loads(done(ranked, folder, exchange))["data"]
    assert {"SINGLE", "ALICE"} <= {standing["client_id"] for standing in standings}


def test_the_client_can_be_used_alone(exchange: Exchange, folder: Path) -> None:
    (code,) = blocks_of("none of the kit", "python")
    alone = code.replace("http://127.0.0.1:8000", exchange.url).replace("her key", exchange.keys["UNIFORM"])
    assert done(f"{PYTHON} -c {shlex.quote(alone)}", folder).strip() in ("pending", "new", "partially_filled", "filled")
