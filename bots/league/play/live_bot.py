"""`python -m bots.league.play.live_bot SPEC.json`: one bot of a live match, in its own process.

The process reports that it is ready and waits for a line on its standard input, so that all bots of a match start
together; an informed bot gets the hidden value there, line by line, and no bot gets the seed or the events. While the
bot trades, the process updates a heartbeat file every second; at the end it writes an ending, as every live bot does
(bots/live/ending.py).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from random import Random
from threading import Thread
from typing import Any, NoReturn

import msgspec
from msgspec import Struct

from bots.client import Client
from bots.fundamental import RevealedValue
from bots.league.play.metered import MeteredVenue
from bots.live.command import KEY_VARIABLE, PATIENCE_S, TIMEOUT_S, live, log_as
from bots.live.ending import STATUS, Ending
from bots.live.runner import Runner
from bots.loading import strategy_of

SHOW_EVERY_S = 1.0


class Spec(Struct, frozen=True, kw_only=True):
    """The input of a live bot's process; its key is in the environment.

    chance      state of its random numbers
    informed    whether it observes the hidden value of its first security
    alive       heartbeat file, which also says how long the exchange has not answered [s]
    ending      file for the ending
    longest_s   how long a callback may take [s]
    """

    url: str
    client_id: str
    target: str
    options: dict[str, Any]
    securities: list[str]
    chance: list[int]
    informed: bool
    alive: str
    ending: str
    orders_a_second: int
    longest_s: float


def main() -> int:
    """Trade until stopped; return the exit status of the ending."""
    spec = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Spec)
    log_as(spec.client_id)
    strategy = strategy_of(spec.target)(**spec.options)
    value = RevealedValue()
    if spec.informed:
        strategy.fundamental = value  # type: ignore[attr-defined]  # the input of informed strategies
    client = Client(spec.url, os.environ[KEY_VARIABLE], patience_s=PATIENCE_S, timeout_s=TIMEOUT_S)
    venues: list[MeteredVenue] = []

    def venue(client: Client) -> MeteredVenue:
        venues.append(MeteredVenue(client, spec.orders_a_second))
        return venues[0]

    alive = Path(spec.alive)
    _show(alive, 0.0)
    value.now = float(sys.stdin.readline() or 0)
    rng = Random()
    rng.setstate((3, tuple(spec.chance), None))  # 3 is the version of the form
    runner = Runner(strategy, client, client_id=spec.client_id, rng=rng, venue=venue)
    Thread(target=_observe, args=(value,), daemon=True).start()
    Thread(target=_watch, args=(spec, runner, venues[0], alive), daemon=True).start()
    options = argparse.Namespace(
        security=",".join(spec.securities),
        url=spec.url,
        duration=None,
        ending=Path(spec.ending),
        longest_callback_s=spec.longest_s,
    )
    ended = live(runner, options, client_id=spec.client_id, strategy=spec.target)
    if venues[0].flooded:
        ended = msgspec.structs.replace(ended, outcome="flooded")
    msgspec.structs.replace(ended, refusals=dict(runner.refusals)).write(Path(spec.ending))
    return STATUS[ended.outcome]


def _observe(value: RevealedValue) -> None:
    """Take the hidden value as the match publishes it, until it closes the pipe."""
    for line in sys.stdin:
        value.now = float(line)


def _watch(spec: Spec, runner: Runner, venue: MeteredVenue, alive: Path) -> None:
    """Update the heartbeat, and end the process if the bot floods and catches the exception."""
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
        error=f"more than {spec.orders_a_second} requests in a second; it caught the exception and continued",
        refusals=dict(runner.refusals),
    ).write(Path(spec.ending))
    os._exit(STATUS["flooded"])


def _show(alive: Path, away_s: float) -> None:
    partly = alive.with_suffix(".part")
    partly.write_text(f"{time.monotonic():.1f} {away_s:.1f}")
    partly.replace(alive)


if __name__ == "__main__":
    sys.exit(main())
