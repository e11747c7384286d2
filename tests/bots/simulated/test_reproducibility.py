"""A match follows from its seed, in any process."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from bots.simulated.market import Market
from tests.bots.simulated.markets import Scripted, market
from tests.bots.simulated.test_market import buy

# -- a match is its seed ----------------------------------------------------------------------------------------------

PLAY = """
from bots.simulated.configuration import Listing
from bots.simulated.market import Market
from bots.strategies import STRATEGIES
from tests.bots.simulated.markets import RICH, market

import sys
listings = tuple(Listing(security_id=name) for name in ("MSFT", "AAPL"))
ours = market(duration_s=900.0, seed=int(sys.argv[1]), listings=listings)
for name in ("random_walk", "gauss", "uniform", "flood", "retail", "market_maker"):
    ours.seat(name.upper(), STRATEGIES[name](), opening=RICH)
outcome = ours.play()
print(outcome.commands, outcome.trades, outcome.log_hash, outcome.trades_hash)
print([(bot.client_id, bot.equity_cents, bot.cash_cents, bot.shares, bot.samples[5]) for bot in outcome.bots.values()])
"""


def played_in_another_process(*, seed: int, hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-c", PLAY, str(seed)]
    done = subprocess.run(
        command, env=environment, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_one_seed_gives_one_match_in_any_process() -> None:
    first = played_in_another_process(seed=7, hash_seed="1")
    assert first == played_in_another_process(seed=7, hash_seed="4242")
    assert first != played_in_another_process(seed=8, hash_seed="1")


def test_the_log_is_delivered_and_its_hash_matches(tmp_path: Path) -> None:
    lines: list[bytes] = []
    ours = Market(market().configuration, log=lines.append)
    ours.seat("ANN", Scripted([(n, buy(1, 90.0)) for n in range(2, 30)]))
    outcome = ours.play()
    text = b"".join(lines)
    assert text.count(b"\n") == outcome.commands == 28
    assert hashlib.sha256(text).hexdigest() == outcome.log_hash
