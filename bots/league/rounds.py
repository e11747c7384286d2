"""Plays the simulated matches of a tournament, each in its own process, several at a time.

No match inherits state from another. A bot that ends its process, by a library call that never returns, by exiting or
by exhausting memory, affects only one match, which is then played again without it.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from bots.league.play.configuration import League
from bots.league.play.entrants import Entrant
from bots.league.play.result import Failure, Match
from bots.league.play.simulated_match import play
from bots.league.proof.archive import Folder
from bots.league.sandbox.patience import Patience

# Interval between two looks at a process [s], and how long the same callback may last until the process is ended [s].
# Where it can, the match itself interrupts a callback much earlier.
LOOK_EVERY_S = 0.25
PATIENCE_S = 30.0
# The number of a call and of its bot share one integer, so that both are written atomically.
_BOT_BITS = 10

# Each match gets a new interpreter and inherits only its arguments.
_processes = multiprocessing.get_context("spawn")

Progress = Callable[[int, float], object]


class MatchError(Exception):
    """A match failed through a fault of the league and not of a bot; the text has the traceback."""


@dataclass
class _Round:
    """A match that is being played."""

    seed: int
    process: Any
    connection: Connection
    calling: Any
    core: int | None
    turn: int = 0
    patience: Patience = field(default_factory=Patience)

    @property
    def hangs(self) -> bool:
        """Whether one callback has lasted too long."""
        return self.patience.counted_s >= PATIENCE_S

    def look(self) -> None:
        """Count how long the present callback has lasted."""
        turn = self.calling.value
        if turn and turn == self.turn:
            self.patience.look(self.process.pid, LOOK_EVERY_S)
        else:
            self.patience.renew()
        self.turn = turn

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


@dataclass
class Rounds:
    """The matches of a tournament.

    processes  how many are played at a time
    progress   receives a seed and how far its match has been played [s]
    """

    league: League
    entrants: Sequence[Entrant]
    folder: Folder
    processes: int
    progress: Progress
    _out: dict[int, dict[str, Failure]] = field(default_factory=dict)
    _under_way: list[_Round] = field(default_factory=list)
    _looked_s: float = 0.0

    def play(self, seeds: Iterable[int], *, out: dict[int, dict[str, Failure]] | None = None) -> Iterator[Match]:
        """Play the matches of the seeds; yield each as soon as it is over.

        out     bots that are disqualified from the start, by seed and account
        raises  MatchError
        """
        self._out = {seed: dict(failures) for seed, failures in (out or {}).items()}
        waiting = list(seeds)[::-1]
        try:
            while waiting or self._under_way:
                while waiting and len(self._under_way) < self.processes:
                    self._under_way.append(self._begin(waiting.pop()))
                yield from self._look()
        finally:
            for playing in self._under_way:
                playing.end()

    def _begin(self, seed: int) -> _Round:
        core = self._core()
        ours, its = _processes.Pipe(duplex=False)
        calling = _processes.RawValue(ctypes.c_longlong, 0)
        arguments = (its, calling, self.league, seed, self.entrants, self.folder.path, self._out.get(seed, {}), core)
        process = _processes.Process(target=_play, args=arguments, daemon=True)
        process.start()
        its.close()
        return _Round(seed, process, ours, calling, core)

    def _core(self) -> int | None:
        """Return the least used core for a match with guests: sharing one is fastest, as they take turns with it."""
        if not any(entrant.is_guest for entrant in self.entrants) or not hasattr(os, "sched_getaffinity"):
            return None
        used = Counter(playing.core for playing in self._under_way)
        return min(sorted(os.sched_getaffinity(0)), key=lambda core: used[core])

    def _look(self) -> Iterator[Match]:
        """Receive the messages of the matches, and end a process that hangs."""
        ready = set(wait([playing.connection for playing in self._under_way], timeout=LOOK_EVERY_S))
        # A match that says much must not use up the patience with another.
        if is_time := time.monotonic() - self._looked_s >= LOOK_EVERY_S:
            self._looked_s = time.monotonic()
        for playing in list(self._under_way):
            if playing.connection in ready:
                yield from self._receive(playing)
            elif is_time:
                playing.look()
                if playing.hangs:
                    playing.process.kill()  # the next look finds its connection closed

    def _receive(self, playing: _Round) -> Iterator[Match]:
        try:
            kind, content = playing.connection.recv()
        except EOFError:
            self._ended(playing)
            return
        if kind == "at":
            self.progress(playing.seed, content)
        elif kind == "broken":
            raise MatchError(f"the match of seed {playing.seed} failed, and not through a bot:\n{content}")
        else:
            self._under_way.remove(playing)
            playing.end()
            self.progress(playing.seed, self.league.duration)
            yield self.folder.match(playing.seed)

    def _ended(self, playing: _Round) -> None:
        """Play the match of a process that has ended again, without the bot that was being called."""
        self._under_way.remove(playing)
        playing.process.join()
        status = playing.process.exitcode
        playing.connection.close()
        bot = playing.calling.value & (1 << _BOT_BITS) - 1
        if not bot:
            raise MatchError(
                f"the process of seed {playing.seed} ended with status {status} while it was calling no bot"
            )
        error = "a callback did not return and could not be interrupted" if playing.hangs else _cause(status)
        failure = Failure(kind="crashed", time_s=0.0, error=error, traceback="")
        self._out.setdefault(playing.seed, {})[self.entrants[bot - 1].account] = failure
        self.progress(playing.seed, 0.0)
        self._under_way.append(self._begin(playing.seed))


def _cause(status: int) -> str:
    if status < 0:
        return f"the signal {signal.Signals(-status).name} ended the process of its match"
    return f"it ended the process of its match with status {status}"


# -- in the process of a match -----------------------------------------------------------------------------------------


def _play(
    connection: Connection,
    calling: Any,
    league: League,
    seed: int,
    entrants: Sequence[Entrant],
    path: Path,
    out: dict[str, Failure],
    core: int | None,
) -> None:
    if core is not None:
        os.sched_setaffinity(0, {core})
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process ends this one
    _redirect(path / "matches" / f"{seed}.out")
    folder, turns = Folder(path), count(1)

    def call(bot: int) -> None:
        calling.value = next(turns) << _BOT_BITS | bot if bot else 0

    try:
        with folder.lines_of(seed, "log") as log:
            match = play(
                league,
                seed,
                entrants,
                log=log,
                progress=lambda played_s: connection.send(("at", played_s)),
                calling=call,
                out=out,
            )
        folder.keep(match)
    except BrokenPipeError:
        return  # the parent process has ended
    except Exception:  # noqa: BLE001 - the parent process raises it
        connection.send(("broken", traceback.format_exc()))
    else:
        connection.send(("over", None))


def _redirect(file: Path) -> None:
    """Write what bots print into a file of their match, made on the first write."""
    with contextlib.suppress(FileNotFoundError):
        file.unlink()

    class Lazy:
        """A text stream that opens its file on each write."""

        encoding = "utf-8"

        def write(self, text: str) -> int:
            with file.open("a", encoding="utf-8", errors="replace") as to:
                return to.write(text)

        def flush(self) -> None:
            """Do nothing: each write closes the file."""

    sys.stdout = sys.stderr = Lazy()  # print needs no more than this
    with Path(os.devnull).open("w") as nowhere:
        for descriptor in (1, 2):
            os.dup2(nowhere.fileno(), descriptor)
