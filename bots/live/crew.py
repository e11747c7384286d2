"""`python -m bots crew ENTRY --bot ACCOUNT=SECURITY+... ...`: runs several bots of one strategy in one process.

Each bot has an account, a key, a connection and a thread of its own. One whose strategy raises is logged, and starts
again after a while; the others do not notice. Informed bots get the hidden values of the exchange, which are in a file
next to the keys.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Event, Thread
from typing import NoReturn

import msgspec
from msgspec import Struct

from bots.client import Client
from bots.errors import Problem
from bots.fundamental import Fundamental
from bots.hidden_value import Values
from bots.live import ending
from bots.live.access import CannotTrade, add_keys_file, add_url, key_of
from bots.live.command import LONGEST_CALLBACK_S, PATIENCE_S, STOP_PATIENCE_S, TIMEOUT_S, log_as
from bots.live.ending import STATUS
from bots.live.runner import Runner
from bots.live.watchdog import Watchdog
from bots.roster import Entry, RosterError, Seat, entry_of
from bots.strategy import Strategy

# How long a bot whose strategy raised waits before it starts again [s].
AGAIN_S = 10.0
# The file of the hidden values, next to the keys of those that may know them.
VALUES_FILE = "values.json"

log = logging.getLogger(__name__)


class Market(Struct, frozen=True, kw_only=True):
    """The content of the file of the hidden values; `began_s` is when the market began, in seconds since 1970."""

    values: Values
    began_s: float

    @classmethod
    def read(cls, keys_file: Path) -> Market:
        """Read the file next to a file of keys. Raises CannotTrade."""
        file = keys_file.with_name(VALUES_FILE)
        try:
            return msgspec.json.decode(file.read_bytes(), type=cls)
        except (OSError, msgspec.MsgspecError) as fault:
            raise CannotTrade(f"the hidden values cannot be read from {file}: {fault}") from None


def parser() -> argparse.ArgumentParser:
    """Make the command line."""
    shown = argparse.ArgumentParser(prog="python -m bots crew", description="Run several bots of one strategy.")
    shown.add_argument("entry", help="a strategy with its options, like 'informed(noise=0.5)'")
    shown.add_argument(
        "--bot", action="append", required=True, metavar="ACCOUNT=SECURITY+...", help="one of the bots; repeat it"
    )
    add_url(shown)
    add_keys_file(shown)
    return shown


def main(arguments: Sequence[str]) -> int:
    """Run the bots until they are stopped; exit status 1 if they cannot start."""
    options = parser().parse_args(arguments)
    try:
        entry = entry_of(options.entry)
        seats = [_seat(text) for text in options.bot]
        members = [
            Member(entry, seat, options.url, key_of(options.keys_file, seat.account), options.keys_file)
            for seat in seats
        ]
        for member in members:
            member.strategy()
    except (RosterError, CannotTrade) as fault:
        print(f"python -m bots: {fault}", file=sys.stderr)
        return STATUS["refused"]
    log_as(entry.strategy.upper())
    return _run(members)


def _seat(text: str) -> Seat:
    account, _, securities = text.partition("=")
    if not account or not securities:
        raise CannotTrade(f"--bot {text} must be like ALICE=MSFT, or ALICE=MSFT+AAPL")
    return Seat(account, tuple(securities.split("+")))


def _run(members: Sequence[Member]) -> int:
    done = Event()
    refused: list[str] = []

    def run(member: Member) -> None:
        try:
            member.run(done)
        except (Problem, LookupError) as fault:  # another try would be refused as well
            refused.append(f"{member.seat.account}: {fault}")
            done.set()

    threads = [Thread(target=run, args=(member,), daemon=True) for member in members]
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    for thread in threads:
        thread.start()
    done.wait()
    for member in members:
        member.stop()
    until_s = time.monotonic() + STOP_PATIENCE_S
    for thread in threads:
        thread.join(max(until_s - time.monotonic(), 0.0))
    for fault in refused:
        print(f"python -m bots: {fault}", file=sys.stderr)
    return STATUS["refused"] if refused else STATUS["stopped"]


class Member:
    """One bot of a crew."""

    def __init__(self, entry: Entry, seat: Seat, url: str, key: str, keys_file: Path) -> None:
        self.seat = seat
        self._entry = entry
        self._url = url
        self._key = key
        self._keys_file = keys_file
        self._runner: Runner | None = None

    def strategy(self) -> Strategy:
        """Make the bot's strategy. Raises CannotTrade."""
        made = self._entry.made()
        if isinstance(getattr(made, "fundamental", None), Fundamental):
            market = Market.read(self._keys_file)
            since_s = time.time() - market.began_s
            made.fundamental = market.values.of(self.seat.securities[0], since_s=since_s)  # type: ignore[attr-defined]
        return made

    def run(self, done: Event) -> None:
        """Trade until `stop`. Raises Problem (401, 403), LookupError."""
        while not done.is_set():
            client = Client(self._url, self._key, patience_s=PATIENCE_S, timeout_s=TIMEOUT_S)
            self._runner = Runner(self.strategy(), client, client_id=self.seat.account, rng=random.Random())
            self._runner.watched_by(Watchdog(LONGEST_CALLBACK_S, self._hung))
            if done.is_set():
                return
            try:
                self._runner.run(self.seat.securities)
            except (Problem, LookupError):
                if not self._runner.has_started:
                    raise
                log.exception("strategy_raised account=%s", self.seat.account)
            except Exception:  # any exception of a strategy's ends this run of this bot, and is reported as such
                log.exception("strategy_raised account=%s", self.seat.account)
            done.wait(AGAIN_S)

    def stop(self) -> None:
        """Make `run` return after the current callback."""
        if self._runner is not None:
            self._runner.stop()

    def _hung(self, thread_id: int, busy_s: float) -> NoReturn:
        ended = ending.hung(
            thread_id, client_id=self.seat.account, strategy=self._entry.strategy, at_s=0.0, busy_s=busy_s
        )
        log.error("strategy_hung account=%s\n%s", self.seat.account, ended.traceback)
        os._exit(STATUS["hung"])
