"""Plays the simulated matches of a tournament, each in a process of its own, several at a time.

So a match begins with nothing that another one left behind, and a bot that takes its process with it - by a library
that never returns, by the end of the process, by memory - has taken one match only: that is played again without it.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import traceback
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

# A process is looked at so often [s]; one that stays inside one callback for so many looks is ended. The match itself
# interrupts a callback long before, where it can.
LOOK_EVERY_S = 0.25
PATIENCE_LOOKS = 120
# A turn and who has it in one number, so that it is written at once.
_WHO_BITS = 10

# A new interpreter for each: nothing is inherited but what is handed over.
_processes = multiprocessing.get_context("spawn")

Progress = Callable[[int, float], object]


class MatchError(Exception):
    """A match ended with a fault of ours; the text has the traceback."""


@dataclass
class _Round:
    """A match under way."""

    seed: int
    process: Any
    connection: Connection
    calling: Any
    turn: int = 0
    looks: int = 0

    def hangs(self) -> bool:
        """Whether it has been in one callback for too long; to be asked at each look."""
        turn = self.calling.value
        self.looks = self.looks + 1 if turn and turn == self.turn else 0
        self.turn = turn
        return self.looks >= PATIENCE_LOOKS

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


@dataclass
class Rounds:
    """The matches of a tournament.

    processes  how many are played at a time
    progress   is told which seed has been played how far [s]
    """

    league: League
    entrants: Sequence[Entrant]
    folder: Folder
    processes: int
    progress: Progress
    _out: dict[int, dict[str, Failure]] = field(default_factory=dict)
    _under_way: list[_Round] = field(default_factory=list)

    def play(self, seeds: Iterable[int], *, out: dict[int, dict[str, Failure]] | None = None) -> Iterator[Match]:
        """Play the matches of seeds; each as soon as it is over.

        out     who is out from the beginning, by seed and account
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
        ours, its = _processes.Pipe(duplex=False)
        calling = _processes.RawValue(ctypes.c_longlong, 0)
        arguments = (its, calling, self.league, seed, self.entrants, self.folder.path, self._out.get(seed, {}))
        process = _processes.Process(target=_play, args=arguments, daemon=True)
        process.start()
        its.close()
        return _Round(seed, process, ours, calling)

    def _look(self) -> Iterator[Match]:
        """Hear what the matches under way have to tell."""
        told = set(wait([playing.connection for playing in self._under_way], timeout=LOOK_EVERY_S))
        for playing in list(self._under_way):
            if playing.connection in told:
                yield from self._hear(playing)
            elif playing.hangs():
                playing.process.kill()  # which is heard at the next look

    def _hear(self, playing: _Round) -> Iterator[Match]:
        try:
            kind, said = playing.connection.recv()
        except EOFError:
            self._ended(playing)
            return
        if kind == "at":
            self.progress(playing.seed, said)
        elif kind == "broken":
            raise MatchError(f"the match of seed {playing.seed} ended with a fault that is no bot's:\n{said}")
        else:
            self._under_way.remove(playing)
            playing.end()
            self.progress(playing.seed, self.league.duration)
            yield self.folder.match(playing.seed)

    def _ended(self, playing: _Round) -> None:
        """A process has ended without a word: it is played again without the bot that had the word then."""
        self._under_way.remove(playing)
        playing.process.join()
        status = playing.process.exitcode
        playing.connection.close()
        who = playing.calling.value & (1 << _WHO_BITS) - 1
        if not who:
            raise MatchError(f"the process of seed {playing.seed} ended with status {status} while no bot was called")
        said = "it did not come back, and could not be interrupted" if playing.looks >= PATIENCE_LOOKS else _why(status)
        failure = Failure(kind="crashed", time_s=0.0, error=said, traceback="")
        self._out.setdefault(playing.seed, {})[self.entrants[who - 1].account] = failure
        self.progress(playing.seed, 0.0)
        self._under_way.append(self._begin(playing.seed))


def _why(status: int) -> str:
    if status < 0:
        return f"the process of its match was ended by {signal.Signals(-status).name}"
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
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started this one ends it, too
    _redirect(path / "matches" / f"{seed}.out")
    folder, turns = Folder(path), count(1)

    def call(who: int) -> None:
        calling.value = next(turns) << _WHO_BITS | who if who else 0

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
        return  # nobody is there any more who wants to know
    except Exception:  # noqa: BLE001 - told to who started this process, and raised there
        connection.send(("broken", traceback.format_exc()))
    else:
        connection.send(("over", None))


def _redirect(file: Path) -> None:
    """What bots print goes into a file of their match, which is there only if they do."""
    with contextlib.suppress(FileNotFoundError):
        file.unlink()

    class Lazy:
        """Opens the file when something is written."""

        encoding = "utf-8"

        def write(self, text: str) -> int:
            with file.open("a", encoding="utf-8", errors="replace") as to:
                return to.write(text)

        def flush(self) -> None:
            """Nothing is held back."""

    sys.stdout = sys.stderr = Lazy()  # all that print needs
    with Path(os.devnull).open("w") as nowhere:
        for descriptor in (1, 2):
            os.dup2(nowhere.fileno(), descriptor)
