"""`python -m bots.league.play.live_bot SPEC.json`: one bot of a live match, in a process of its own.

It gets ready, says so, and waits for a line on its standard input, so that all bots of a match begin together. While
it trades it shows every second that it lives; its end is a file, as of every live bot (bots/live/ending.py).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from threading import Thread
from typing import Any, NoReturn

import msgspec
from msgspec import Struct

from bots.chance import chance_of
from bots.client import Client
from bots.league.play.configuration import parse
from bots.league.play.hidden_values import hidden_values, reveal
from bots.league.play.metered import MeteredVenue
from bots.live.command import KEY_VARIABLE, PATIENCE_S, TIMEOUT_S, live, log_as
from bots.live.ending import STATUS, Ending
from bots.live.runner import Runner
from bots.loading import strategy_of

SHOW_EVERY_S = 1.0


class Spec(Struct, frozen=True, kw_only=True):
    """What a bot of a live match has to know; its key comes by the environment.

    league      the configuration, with the prices at which the securities begin
    alive       a file that it writes while it lives: for how long the exchange has not answered it [s]
    ending      a file that it leaves
    longest_s   how long a callback may take [s]
    """

    url: str
    client_id: str
    target: str
    options: dict[str, Any]
    securities: list[str]
    seed: int
    account: str
    league: dict[str, Any]
    alive: str
    ending: str
    orders_a_second: int
    longest_s: float


def main() -> int:
    """Trade until it is told to stop; the exit status of its ending."""
    spec = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Spec)
    log_as(spec.client_id)
    strategy = strategy_of(spec.target)(**spec.options)
    reveal(strategy, hidden_values(parse(spec.league, named="the tournament"), spec.seed), spec.securities[0])
    client = Client(spec.url, os.environ[KEY_VARIABLE], patience_s=PATIENCE_S, timeout_s=TIMEOUT_S)
    venues: list[MeteredVenue] = []

    def venue(its: Client) -> MeteredVenue:
        venues.append(MeteredVenue(its, spec.orders_a_second))
        return venues[0]

    alive = Path(spec.alive)
    _show(alive, 0.0)
    sys.stdin.readline()
    runner = Runner(strategy, client, client_id=spec.client_id, rng=chance_of(spec.seed, spec.account), venue=venue)
    Thread(target=_watch, args=(spec, runner, venues[0], alive), daemon=True).start()
    options = argparse.Namespace(
        security=",".join(spec.securities),
        url=spec.url,
        seconds=None,
        ending=Path(spec.ending),
        longest_callback_s=spec.longest_s,
    )
    ended = live(runner, options, client_id=spec.client_id, strategy=spec.target)
    if venues[0].flooded:
        ended = msgspec.structs.replace(ended, outcome="flooded")
    msgspec.structs.replace(ended, refusals=dict(runner.refusals)).write(Path(spec.ending))
    return STATUS[ended.outcome]


def _watch(spec: Spec, runner: Runner, venue: MeteredVenue, alive: Path) -> None:
    """Show that the process lives, and end one that floods and does not want to know."""
    while True:
        _show(alive, runner.away_s)
        flooded = venue.flooded
        time.sleep(SHOW_EVERY_S)
        if flooded:
            _end(spec, runner)


def _end(spec: Spec, runner: Runner) -> NoReturn:
    Ending(
        outcome="flooded",
        client_id=spec.client_id,
        strategy=spec.target,
        at_s=runner.now_s,
        error=f"more than {spec.orders_a_second} requests in a second; it caught what told it so, and went on",
        refusals=dict(runner.refusals),
    ).write(Path(spec.ending))
    os._exit(STATUS["flooded"])


def _show(alive: Path, away_s: float) -> None:
    partly = alive.with_suffix(".part")
    partly.write_text(f"{time.monotonic():.1f} {away_s:.1f}")
    partly.replace(alive)


if __name__ == "__main__":
    sys.exit(main())
