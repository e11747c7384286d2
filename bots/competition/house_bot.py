"""`python -m bots.competition.house_bot`: one house bot of a competition, in its own process.

Its specification is a line on the standard input, and its key is in the environment. It trades until the input ends,
as it does when the referee dies: so no house bot outlives its referee.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from threading import Thread
from typing import Any

import msgspec
from msgspec import Struct

from bots.client import Client
from bots.competition.seeded import hidden_value
from bots.fundamental import Fundamental
from bots.live.command import KEY_VARIABLE, LONGEST_CALLBACK_S, TIMEOUT_S, live, log_as
from bots.live.ending import STATUS
from bots.live.runner import Runner
from bots.strategies import STRATEGIES

# How long a house bot repeats a request [s]: until an api that was killed is back on a busy machine. An order that the
# api promised and did not queue then gets its place, instead of a finding of the audit. It is less than a callback has.
AWAY_S = 20.0
assert AWAY_S + TIMEOUT_S < LONGEST_CALLBACK_S


class HiddenValue(Struct, frozen=True, kw_only=True):
    """The inputs of the hidden value of the bot's own security; see bots.competition.seeded."""

    seed: str
    round: int
    name: str
    reference: float
    news: list[tuple[float, float]]
    began_s: float  # when continuous trading begins [s since 1970]
    round_s: float  # how long it lasts; afterwards the value stays constant


class Spec(Struct, frozen=True, kw_only=True):
    """The specification of a house bot; `securities` are ids, its own first."""

    url: str
    client_id: str
    strategy: str
    options: dict[str, Any]
    securities: list[str]
    seed: int
    hidden: HiddenValue


class RoundValue(Fundamental):
    """A hidden value by the time of the round, read by a bot that counts time from its own start."""

    def __init__(self, value: Fundamental, *, ahead_s: float, round_s: float) -> None:
        self._value = value
        self._ahead_s = ahead_s
        self._round_s = round_s

    def value(self, now_s: float) -> float:
        """Return the value of a share at a time of the bot [dollars]."""
        return self._value.value(min(now_s + self._ahead_s, self._round_s))


def main() -> int:
    """Trade until the standard input ends; return the exit status of the ending."""
    spec = msgspec.json.decode(sys.stdin.readline(), type=Spec)
    log_as(spec.client_id)
    strategy = STRATEGIES[spec.strategy](**spec.options)
    client = Client(spec.url, os.environ[KEY_VARIABLE], patience_s=AWAY_S, timeout_s=TIMEOUT_S)
    runner = Runner(strategy, client, client_id=spec.client_id, rng=random.Random(spec.seed))
    if isinstance(getattr(strategy, "fundamental", None), Fundamental):
        hidden = spec.hidden
        value = hidden_value(hidden.seed, hidden.round, hidden.name, reference=hidden.reference, news=hidden.news)
        round_value = RoundValue(value, ahead_s=time.time() - hidden.began_s, round_s=hidden.round_s)
        strategy.fundamental = round_value  # type: ignore[attr-defined]
    Thread(target=_stop_at_the_end, args=(runner,), daemon=True).start()
    options = argparse.Namespace(
        security=",".join(spec.securities),
        url=spec.url,
        duration=None,
        ending=None,
        longest_callback_s=LONGEST_CALLBACK_S,
    )
    return STATUS[live(runner, options, client_id=spec.client_id, strategy=spec.strategy).outcome]


def _stop_at_the_end(runner: Runner) -> None:
    while sys.stdin.read(4096):
        pass
    runner.stop()


if __name__ == "__main__":
    sys.exit(main())
