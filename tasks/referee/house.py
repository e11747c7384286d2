"""The house bots of a round: each a process with its own account and key, restarted if it dies."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import structlog

from bots.competition.house_bot import HiddenValue, Spec
from bots.competition.seeded import drawn
from bots.live.command import KEY_VARIABLE
from bots.loading import options_of
from bots.strategies import STRATEGIES
from bots.strategy import Strategy
from db.clearing_data.competition.competitions import Competition, Team
from tasks.referee.rules.case import Case
from tasks.referee.values import news_of

log = structlog.get_logger()

# Pause before a house bot that died is restarted, and the time that a bot may take to stop [s].
AGAIN_S = 2.0
STOP_S = 5.0

# The strategies' names for the option with the value before the first price [dollars].
_FIRST_PRICE = frozenset({"start", "worth"})

# A bot gets only what Python needs from the referee's environment, because that contains passwords.
_PASSED_ON = ("PATH", "HOME", "LANG", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV")


def specs(found: Competition, teams: Sequence[Team], ids: Mapping[str, str], *, url: str) -> dict[str, Spec]:
    """Return the specification of each house bot of a round, by account; securities are assigned to the bots in turn.

    ids  ids of the round's securities, by their names in the case
    """
    house = [team for team in teams if team.is_house]
    return {team.client_id: _spec(found, team, place, ids, url) for place, team in enumerate(house)}


def _spec(found: Competition, team: Team, place: int, ids: Mapping[str, str], url: str) -> Spec:
    case: Case = found.case
    securities = case.securities[place % len(case.securities) :] + case.securities[: place % len(case.securities)]
    own = securities[0]
    assert team.strategy is not None, "a house bot has a strategy"
    assert found.trading_us is not None, "a round in which bots trade has a time for it"
    return Spec(
        url=url,
        client_id=team.client_id,
        strategy=team.strategy,
        options=_beginning_at(own.reference_cents / 100, STRATEGIES[team.strategy]) | team.options,
        securities=[ids[one.security_id] for one in (securities if team.strategy == "pairs" else [own])],
        seed=drawn(found.seed, found.round, "house", team.number),
        hidden=HiddenValue(
            seed=found.seed,
            round=found.round,
            name=own.security_id,
            reference=own.reference_cents / 100,
            news=news_of(case, found.round, own.security_id),
            began_s=found.trading_us / 1e6,
            round_s=case.round_us / 1e6,
        ),
    )


def _beginning_at(reference: float, kind: type[Strategy]) -> dict[str, Any]:
    """Return the options that set the value of a share before the first price; it is the reference price."""
    return {option.name: reference for option in options_of(kind) if option.name in _FIRST_PRICE}


class HouseBots:
    """The processes of the house bots of a competition; for use by one thread."""

    def __init__(self, new_key: Callable[[str], str]) -> None:
        self._new_key = new_key
        self._keys: dict[str, str] = {}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._not_before_s: dict[str, float] = {}

    def keep(self, wanted: Mapping[str, Spec]) -> None:
        """Start one of the house bots that do not run: its key takes several requests, and the round must go on."""
        for client_id, spec in wanted.items():
            process = self._running.get(client_id)
            if process is not None and process.poll() is None:
                continue
            if process is not None:
                log.warning("house_bot_ended", client_id=client_id, status=process.returncode)
                del self._running[client_id]
                self._not_before_s[client_id] = time.monotonic() + AGAIN_S
            if time.monotonic() >= self._not_before_s.get(client_id, 0.0):
                self._running[client_id] = self._start(spec)
                return

    def _start(self, spec: Spec) -> subprocess.Popen[bytes]:
        if spec.client_id not in self._keys:
            self._keys[spec.client_id] = self._new_key(spec.client_id)
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        process = subprocess.Popen(
            [sys.executable, "-m", "bots.competition.house_bot"],
            stdin=subprocess.PIPE,
            env=environment | {KEY_VARIABLE: self._keys[spec.client_id]},
        )
        assert process.stdin is not None, "it is a pipe"
        process.stdin.write(msgspec.json.encode(spec) + b"\n")
        process.stdin.flush()
        return process

    def stop(self) -> None:
        """Stop all house bots; kill those that do not stop in time."""
        for process in self._running.values():
            assert process.stdin is not None, "it is a pipe"
            process.stdin.close()
        deadline = time.monotonic() + STOP_S
        for process in self._running.values():
            try:
                process.wait(max(deadline - time.monotonic(), 0.0))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()
