"""Describes how a bot's run ended, in a form that a league can collect."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import Literal

import msgspec
from msgspec import Struct

Outcome = Literal["stopped", "raised", "hung", "refused", "flooded", "unreachable"]

# Exit status by outcome.
STATUS: dict[Outcome, int] = {"stopped": 0, "refused": 1, "raised": 3, "hung": 4, "flooded": 5, "unreachable": 6}


class Ending(Struct, frozen=True, kw_only=True):
    """The end of a bot.

    outcome    `stopped` on request, `raised`: its strategy raised an exception, `hung` in a callback, `refused` by the
               exchange, `flooded`: it sent more requests than the league allows, `unreachable`: the exchange did not
               answer before the end
    at_s       time from its start [s]
    error      one line
    traceback  Python's traceback; empty if nothing was raised
    refusals   refused requests, by code
    """

    outcome: Outcome
    client_id: str
    strategy: str
    at_s: float
    error: str = ""
    traceback: str = ""
    refusals: dict[str, int] = {}

    def write(self, file: Path) -> None:
        """Write the ending to a file as JSON, atomically."""
        partly = file.with_name(f"{file.name}.part")
        partly.write_bytes(msgspec.json.encode(self))
        partly.replace(file)


def read(file: Path) -> Ending:
    """Read an ending from its file. Raises OSError, msgspec.MsgspecError."""
    return msgspec.json.decode(file.read_bytes(), type=Ending)


def raised(error: BaseException, *, client_id: str, strategy: str, at_s: float) -> Ending:
    """Make the ending of a bot whose strategy raised an exception."""
    return Ending(
        outcome="raised",
        client_id=client_id,
        strategy=strategy,
        at_s=at_s,
        error=_line_of(error),
        traceback="".join(traceback.format_exception(error)),
    )


def hung(thread_id: int, *, client_id: str, strategy: str, at_s: float, busy_s: float) -> Ending:
    """Make the ending of a bot whose callback does not return, with its thread's stack."""
    frames = sys._current_frames()  # noqa: SLF001  # documented, for uses like this one
    frame: FrameType | None = frames.get(thread_id)
    stack = "".join(traceback.format_stack(frame)) if frame else ""
    return Ending(
        outcome="hung",
        client_id=client_id,
        strategy=strategy,
        at_s=at_s,
        error=f"a callback took more than {busy_s:.0f} s",
        traceback=stack,
    )


def _line_of(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]
