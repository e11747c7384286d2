"""Strangers' bots that try to gain what the contract does not give; tournaments load them as FILE.py:CLASS.

Each tries once, after five seconds. `must` is for what has to fail: a bot that gets through says so, and the test reads
it. Those that are disqualified reach what ends them.
"""

from __future__ import annotations

import ctypes
import gc
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bots.strategy import Strategy
from bots.trading_session import TradingSession


class Idle(Strategy):
    """Does nothing: what every cheat is compared with."""


class Cheat(Strategy):
    def interval_s(self) -> float:
        return 5.0

    def on_timer(self, now: float) -> None:
        if now > 5:
            self.cheat()

    def cheat(self) -> None:
        raise NotImplementedError

    def must(self, attempt: Callable[[], object]) -> None:
        """Make an attempt that has to fail."""
        try:
            got = attempt()
        except (OSError, RuntimeError, ValueError, subprocess.SubprocessError):
            return
        self.log("got", what=repr(got)[:200])


# -- what gets nothing -----------------------------------------------------------------------------------------------


class ReadsTheHiddenValue(Cheat):
    """Has the attribute of an informed strategy, and looks for the value among all objects."""

    fundamental = None

    def cheat(self) -> None:
        found = [one for one in gc.get_objects() if type(one).__name__ in ("Fundamental", "RevealedValue")]
        if self.fundamental is not None or found:
            self.log("got", what=f"{self.fundamental} {found}")


class GuessesTheSeed(Cheat):
    """Compares its random numbers with those of the seeds that tournaments usually have."""

    def cheat(self) -> None:
        mine = self.rng.random()
        for seed in range(1_000):
            for text in (f"{seed}:GUESSESTHESEED", f":{seed}:GUESSESTHESEED"):
                chance = random.Random(text)
                if mine in [chance.random() for _ in range(3)]:
                    self.log("got", what=seed)


class FindsTheMarket(Cheat):
    """Looks for the market, its books and other bots' sessions in memory."""

    def cheat(self) -> None:
        names = {"Market", "Exchange", "Engine", "Desk", "Accounts", "Seat", "League"}
        found = [one for one in gc.get_objects() if type(one).__name__ in names]
        sessions = [one for one in gc.get_objects() if isinstance(one, TradingSession)]
        if found or sessions != [self.session]:
            self.log("got", what=f"{found} {sessions}")


class ReadsFiles(Cheat):
    """Looks for other bots' files, keys, and what a machine knows of itself and its users."""

    def cheat(self) -> None:
        for file in ("/etc/passwd", "/etc/hostname", "/proc/1/environ", "/proc/self/maps"):
            self.must(Path(file).read_text)
        for folder in ("/tmp", "/var", "/sys", "/dev", "/proc", "/run"):
            self.must(lambda folder=folder: list(Path(folder).iterdir()))
        for folder in map(Path, ("/root", "/home")):
            inside = folder.iterdir() if folder.exists() else ()
            if others := [one for one in inside if not Path(sys.base_prefix).is_relative_to(one)]:
                self.log("got", what=others)
        root = Path(sys.modules["bots"].__file__ or "").parents[1]
        if others := {file.name for file in root.iterdir()} - {"bots", "tasks", ".venv"}:
            self.log("got", what=others)
        if [file.name for file in Path("/bot").iterdir()] != ["cheats.py"]:
            self.log("got", what="another bot's file")
        if secrets := [name for name in os.environ if "KEY" in name or "URL" in name or "PASSWORD" in name]:
            self.log("got", what=secrets)


class UsesTheNetwork(Cheat):
    def cheat(self) -> None:
        self.must(lambda: socket.create_connection(("127.0.0.1", 22), timeout=1))
        self.must(lambda: socket.socket(socket.AF_UNIX))
        self.must(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))


class WritesFiles(Cheat):
    def cheat(self) -> None:
        for place in ("/x", "/bot/x", "/tmp/x", __file__, sys.modules["bots"].__file__ or ""):
            self.must(lambda place=place: Path(place).write_text("x"))
        self.must(lambda: os.memfd_create("x"))


class StartsPrograms(Cheat):
    def cheat(self) -> None:
        self.must(os.fork)
        self.must(lambda: subprocess.run(["/usr/bin/true"], check=True))
        self.must(lambda: os.execv(sys.executable, [sys.executable, "-c", ""]))


class StartsThreads(Cheat):
    def cheat(self) -> None:
        self.must(threading.Thread(target=len, args=((),)).start)


class EndsOthers(Cheat):
    """Sends signals to all processes, and traces one."""

    def cheat(self) -> None:
        self.must(lambda: os.kill(-1, signal.SIGKILL))
        self.must(lambda: os.kill(2, signal.SIGTERM))
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.ptrace(0, 0, 0, 0) == 0:
            self.log("got", what="ptrace")


class RaisesItsLimits(Cheat):
    def cheat(self) -> None:
        for limit in (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE):
            self.must(lambda limit=limit: resource.setrlimit(limit, (resource.RLIM_INFINITY,) * 2))


class ReadsTheClock(Cheat):
    """Uses the real time as a source of chance; it gets the time of the match."""

    def cheat(self) -> None:
        self.log("clock", at=time.time(), monotonic=time.monotonic(), own=random.random())
        time.sleep(3600)


class PatchesTheRules(Cheat):
    """Makes the rules in its own process accept everything; the market's rules are elsewhere."""

    def cheat(self) -> None:
        account = self.session._portfolio
        account.balance = account.balance * 1_000
        Strategy.position = lambda *_: 10**9  # type: ignore[method-assign]
        self.session.securities.clear()


# -- what is disqualified --------------------------------------------------------------------------------------------


class SendsForgedRequests(Cheat):
    """Changes the checks of its own process, and orders more than anyone may."""

    def cheat(self) -> None:
        venue = self.session._venue
        venue._max_quantity = 10**9  # type: ignore[attr-defined]
        self.buy(2_000_000, 1)


class SendsAsAnother(Cheat):
    """Cancels the orders of the bot next to it."""

    def cheat(self) -> None:
        self.session._venue._client_id = "WELL"  # type: ignore[attr-defined]
        self.session._venue.cancel_all(None)


class SendsInThePast(Cheat):
    def cheat(self) -> None:
        self.session._venue.time_us -= 1_000_000  # type: ignore[attr-defined]
        self.session._venue.cancel_all(None)


class SetsItsTimerBack(Cheat):
    """Changes the code that plays it, so that it is due before everything else."""

    def cheat(self) -> None:
        frame = sys._getframe()
        while type(frame.f_locals.get("self")).__name__ != "StrategyPlayer":
            assert frame.f_back is not None
            frame = frame.f_back
        kind = type(frame.f_locals["self"])
        acted = kind.acted

        def early(player: Any) -> Any:
            player._timer_us = 0
            return acted(player)

        kind.acted = early


class WritesIntoThePipe(Cheat):
    def cheat(self) -> None:
        # One write of more than an answer: if it were just one, it could be read before the bot's own.
        os.write(3, b"\x00\x00\x00\x02\x90\x90\x90")


class ClosesThePipe(Cheat):
    def cheat(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        os.close(3)
        while True:
            pass


class Exits(Cheat):
    def cheat(self) -> None:
        os._exit(7)


class ExitsWithAnOddStatus(Cheat):
    def cheat(self) -> None:
        os._exit(255)


class LogsInvalidTimes(Cheat):
    """Writes what could not be read back from the result."""

    def cheat(self) -> None:
        self.session.now_s = float("nan")
        self.log("never")


class Crashes(Cheat):
    def cheat(self) -> None:
        ctypes.string_at(0)


class LoopsForEver(Cheat):
    def cheat(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        while True:
            pass


class TakesAllMemory(Cheat):
    def cheat(self) -> None:
        kept = [0]
        while True:
            kept *= 1_000


class Prints(Cheat):
    def cheat(self) -> None:
        print("x" * 3_000_000)  # noqa: T201


class AnswersAtLength(Cheat):
    def cheat(self) -> None:
        self.log("x" * 30_000_000)


class Floods(Cheat):
    def cheat(self) -> None:
        while True:
            self.buy(1, 1)
