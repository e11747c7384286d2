"""How a bot's life ended, in a form that a league can collect: a bot that fails harms only itself, and says why."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import Literal

import msgspec
from msgspec import Struct

Outcome = Literal["stopped", "raised", "hung", "refused", "flooded"]

# Exit status by outcome.
STATUS: dict[Outcome, int] = {"stopped": 0, "refused": 1, "raised": 3, "hung": 4, "flooded": 5}


class Ending(Struct, frozen=True, kw_only=True):
    """The end of a bot.

    outcome    `stopped` as it was told to, `raised` by its strategy, `hung` in a callback, `refused` by the exchange,
               `flooded` it with more requests than a league allows
    at_s       seconds from its start
    error      one line
    traceback  where it happened, as Python shows it; empty where nothing was raised
    refusals   what was refused at the door of the exchange, by code
    """

    outcome: Outcome
    client_id: str
    strategy: str
    at_s: float
    error: str = ""
    traceback: str = ""
    refusals: dict[str, int] = {}

    def write(self, file: Path) -> None:
        """Write it as JSON, as a whole or not at all."""
        partly = file.with_name(f"{file.name}.part")
        partly.write_bytes(msgspec.json.encode(self))
        partly.replace(file)


def read(file: Path) -> Ending:
    """An ending that was written. Raises OSError, msgspec.MsgspecError."""
    return msgspec.json.decode(file.read_bytes(), type=Ending)


def raised(error: BaseException, *, client_id: str, strategy: str, at_s: float) -> Ending:
    """The end of a bot whose strategy raised."""
    return Ending(
        outcome="raised",
        client_id=client_id,
        strategy=strategy,
        at_s=at_s,
        error=_line_of(error),
        traceback="".join(traceback.format_exception(error)),
    )


def hung(thread_id: int, *, client_id: str, strategy: str, at_s: float, busy_s: float) -> Ending:
    """The end of a bot whose strategy does not come back; shows where its thread is."""
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
