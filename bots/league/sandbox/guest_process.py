"""Starts, asks and ends the process of a bot: frames through a pipe, and how long the market waits for them."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from pathlib import Path
from typing import Literal

from msgspec import Struct

from bots.league.sandbox import bubblewrap
from bots.league.sandbox.patience import Patience
from bots.league.sandbox.wire import LENGTH_BYTES, framed

# The longest answer [bytes].
LONGEST_ANSWER = 4 * 1024**2
# Interval between two looks at a bot that has not answered [s].
LOOK_EVERY_S = 0.5

_SIGNALS = {one.value: one.name for one in signal.Signals}
_READ_BYTES = 8_192
# How long a process that has closed its pipe may take to end [s].
_ENDING_S = 2.0
_LOOK_EVERY_MS = round(LOOK_EVERY_S * 1_000)


class GuestFailed(Exception):
    """The process of a bot has ended, hangs, or breaks the rules of the pipe."""

    def __init__(self, kind: Literal["hung", "flooded", "crashed"], error: str) -> None:
        super().__init__(error)
        self.kind = kind


class Guest:
    """The process of a bot, and the pipe to it."""

    def __init__(self, file: Path | None) -> None:
        self._process = bubblewrap.start(file)
        assert self._process.stdin is not None, "it was asked for"
        assert self._process.stdout is not None, "it was asked for"
        self._to, self._from = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._to, False)  # a bot that does not read must not stop the match
        self._answers, self._room = select.poll(), select.poll()
        self._answers.register(self._from, select.POLLIN)
        self._room.register(self._to, select.POLLOUT)
        self._patience = Patience()

    def send(self, message: Struct, *, patience_s: float) -> None:
        """Send a message. Raises GuestFailed."""
        frame = framed(message)
        self._patience.renew()
        while frame:
            try:
                sent = os.write(self._to, frame)
                if sent == len(frame):
                    return
                frame = frame[sent:]
            except BlockingIOError:
                if not self._room.poll(_LOOK_EVERY_MS):
                    self._wait_longer(patience_s)
            except BrokenPipeError:
                raise self._ended() from None

    def receive(self, *, patience_s: float) -> bytes:
        """Return the content of the next answer. Raises GuestFailed."""
        self._patience.renew()
        text = self._read(_READ_BYTES, patience_s)
        if int.from_bytes(text[:LENGTH_BYTES], "big") != len(text) - LENGTH_BYTES:
            text = self._whole(text, patience_s)
        return text[LENGTH_BYTES:]

    def _whole(self, text: bytes, patience_s: float) -> bytes:
        """Read the rest of an answer. Raises GuestFailed."""
        while len(text) < LENGTH_BYTES:
            text += self._read(_READ_BYTES, patience_s)
        length = int.from_bytes(text[:LENGTH_BYTES], "big") + LENGTH_BYTES
        if length > LONGEST_ANSWER:
            raise GuestFailed("flooded", f"an answer has more than {LONGEST_ANSWER // 1024**2} MiB")
        parts, missing = [text], length - len(text)
        while missing > 0:
            parts.append(self._read(missing, patience_s))
            missing -= len(parts[-1])
        if missing < 0:
            raise GuestFailed("crashed", "it has sent more than its answer")
        return b"".join(parts)

    def _read(self, most: int, patience_s: float) -> bytes:
        while not self._answers.poll(_LOOK_EVERY_MS):
            self._wait_longer(patience_s)
        if text := os.read(self._from, most):
            return text
        raise self._ended()

    def _wait_longer(self, patience_s: float) -> None:
        """Count another look at a bot that does not answer."""
        self._patience.look(self._bot(), LOOK_EVERY_S)
        if self._patience.counted_s > patience_s:
            raise GuestFailed("hung", f"a callback did not return within {patience_s:g} s")

    def _bot(self) -> int | None:
        """Return the process id of the bot, the child of bubblewrap."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        try:
            return int(children.read_text().split()[0])
        except (OSError, IndexError):
            return None

    def _ended(self) -> GuestFailed:
        try:
            status = self._process.wait(_ENDING_S)
        except subprocess.TimeoutExpired:
            return GuestFailed("crashed", "it has closed its pipe")
        number = -status if status < 0 else status - 128  # bubblewrap reports a signal as a shell does
        if number in _SIGNALS:
            return GuestFailed("crashed", f"the signal {_SIGNALS[number]} ended its process")
        return GuestFailed("crashed", f"it ended its process with status {status}")

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
