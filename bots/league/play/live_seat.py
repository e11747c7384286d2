"""Supervises one bot of a live match: starts its process, watches its heartbeat, and collects its ending."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from bots.chance import chance_of
from bots.fundamental import Fundamental
from bots.league.play.configuration import League
from bots.league.play.entrants import Entrant
from bots.league.play.live_bot import Spec
from bots.league.play.result import Failure
from bots.live import ending
from bots.live.command import KEY_VARIABLE
from bots.live.ending import Ending

# A callback that takes longer counts as hung; one that waits for the exchange takes up to the bot's patience [s].
LONGEST_CALLBACK_S = 10.0
# A bot that gets no answer for this long, while the exchange answers us, has lost its connection [s].
LONGEST_AWAY_S = 20.0
# A process whose heartbeat, due every second, stays away for this long is dead [s].
LONGEST_SILENCE_S = 15.0
# How long a process may take to end by itself after a request to stop [s].
STOP_PATIENCE_S = 12.0

# The only environment variables that a bot inherits.
_ENVIRONMENT = ("HOME", "LANG", "PATH", "PYTHONHASHSEED", "PYTHONPATH", "TMPDIR", "TZ")

_KINDS = {"raised": "raised", "hung": "hung", "flooded": "flooded", "refused": "lost", "unreachable": "lost"}


class LiveSeat:
    """One bot of a live match.

    failure    the reason for its disqualification, or None
    refusals   requests that the exchange refused, by code; known after its end
    """

    def __init__(self, entrant: Entrant, client_id: str, key: str, place: Path) -> None:
        self.entrant = entrant
        self.client_id = client_id
        self.key = key
        self.failure: Failure | None = None
        self.refusals: dict[str, int] = {}
        self._place = place
        self._alive, self._ending = (place.with_suffix(f".{name}") for name in ("alive", "ending"))
        self._value: Fundamental | None = None
        self._revealed = 0.0
        self._shown = ""
        self._shown_at_s = time.monotonic()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, league: League, seed: int, url: str, value: Fundamental) -> None:
        """Start the bot's process, which prepares and then waits for `go`; `value` is what an informed bot observes."""
        self._value = value if self.entrant.informed else None
        spec = Spec(
            url=url,
            client_id=self.client_id,
            target=self.entrant.target,
            options=dict(self.entrant.options),
            securities=list(self.entrant.securities),
            chance=list(chance_of(league.chance(seed), self.entrant.account).getstate()[1]),
            informed=self.entrant.informed,
            alive=str(self._alive),
            ending=str(self._ending),
            orders_a_second=league.orders_a_second,
            longest_s=LONGEST_CALLBACK_S,
        )
        file = self._place.with_suffix(".spec")
        file.write_bytes(msgspec.json.encode(spec))
        with self._place.with_suffix(".log").open("wb") as out:
            self._process = subprocess.Popen(  # noqa: S603  # a module of ours
                [sys.executable, "-m", "bots.league.play.live_bot", str(file)],
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ} | {KEY_VARIABLE: self.key},
                stdin=subprocess.PIPE,
                bufsize=0,
                stdout=out,
                stderr=out,
                start_new_session=True,  # Ctrl-C reaches only this process, which then ends the bot
            )
        assert self._process.stdin is not None, "it was asked for"
        os.set_blocking(self._process.stdin.fileno(), False)  # a bot that does not read must not stop the match

    @property
    def is_ready(self) -> bool:
        """Whether the process waits for `go`, or has ended."""
        return self._alive.exists() or self._running.poll() is not None

    def go(self) -> None:
        """Let the bot trade."""
        self._write(b"0\n" if self._value is None else b"%.6f\n" % self._value.value(0.0))
        self._shown_at_s = time.monotonic()

    def reveal(self, now_s: float) -> None:
        """Show an informed bot the hidden value at a time [s from the start]; it learns nothing of later times."""
        if self._value is not None and (value := self._value.value(now_s)) != self._revealed:
            self._revealed = value
            self._write(b"%.6f\n" % value)

    def _write(self, line: bytes) -> None:
        assert self._running.stdin is not None, "there is a pipe to it"
        try:
            self._running.stdin.write(line)
            self._running.stdin.flush()
        except (BrokenPipeError, BlockingIOError):
            pass  # the process has ended, which the next `look` reports, or does not look at the value

    def look(self, now_s: float) -> bool:
        """Return whether the bot has failed since the last look; `now_s` counts from the start of the match [s]."""
        if self.failure is not None:
            return False
        status = self._running.poll()
        if status is not None:
            self.failure = self._ended(now_s, status)
        elif (error := self._silence()) is not None:
            self._running.kill()
            self._running.wait()
            self.failure = Failure(kind="lost", time_s=now_s, error=error, traceback="")
        return self.failure is not None

    def _silence(self) -> str | None:
        shown, now_s = self._read_alive(), time.monotonic()
        if shown != self._shown:
            self._shown, self._shown_at_s = shown, now_s
        if now_s - self._shown_at_s > LONGEST_SILENCE_S:
            return f"its process has given no sign of life for {LONGEST_SILENCE_S:.0f} s"
        away_s = float(shown.partition(" ")[2] or 0)
        return f"the exchange has not answered it for {away_s:.0f} s" if away_s > LONGEST_AWAY_S else None

    def _read_alive(self) -> str:
        try:
            return self._alive.read_text()
        except FileNotFoundError:
            return ""

    def _ended(self, now_s: float, status: int) -> Failure:
        ended = self._read_ending()
        if ended is None:
            error = f"its process ended with status {status} and wrote no ending"
            return Failure(kind="lost", time_s=now_s, error=error, traceback=self._end_of_log())
        kind = _KINDS.get(ended.outcome, "lost")
        error = ended.error or "it stopped by itself"
        return msgspec.convert(
            {"kind": kind, "time_s": min(ended.at_s, now_s), "error": error, "traceback": ended.traceback}, Failure
        )

    def _end_of_log(self) -> str:
        return self._place.with_suffix(".log").read_text(errors="replace")[-4_000:]

    def _read_ending(self) -> Ending | None:
        try:
            ended = ending.read(self._ending)
        except (OSError, msgspec.MsgspecError):
            return None
        self.refusals = ended.refusals
        return ended

    # -- end ---------------------------------------------------------------------------------------------------------

    def request_stop(self) -> None:
        """Request the bot to stop."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def wait_stopped(self, now_s: float) -> None:
        """Wait until the bot has stopped; end one that does not stop in time and record it as hung."""
        try:
            self._running.wait(STOP_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            error = f"it did not stop within {STOP_PATIENCE_S:.0f} s"
            self.failure = self.failure or Failure(kind="hung", time_s=now_s, error=error, traceback="")
            return
        ended = self._read_ending()
        if self.failure is None and (ended is None or ended.outcome != "stopped"):
            self.failure = self._ended(now_s, self._running.returncode)

    def kill(self) -> None:
        """End the process immediately; its log and its ending remain."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for file in (self._alive, self._place.with_suffix(".part")):
            file.unlink(missing_ok=True)

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "start was called before"
        return self._process
