"""Shows the progress of a tournament on the terminal: rounds, speed, and remaining time."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as TimeLeft


class ProgressDisplay:
    """Shows a progress bar inside a `with` block; without a terminal it writes one line for each round."""

    def __init__(self, what: str, *, rounds: int, duration_s: float) -> None:
        self._is_terminal = sys.stdout.isatty()
        self._console = Console()
        self._duration_s = duration_s
        self._rounds = rounds
        self._over: set[int] = set()
        self._played: dict[int, float] = {}
        self._began_s = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("rounds"),
            TextColumn("{task.fields[part]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeLeft(),
            TextColumn("{task.fields[speed]}"),
            console=self._console,
            disable=not self._is_terminal,
            speed_estimate_period=120.0,
        )
        self._task: TaskID = self._bar.add_task(what, total=rounds, part="", speed="")

    def __enter__(self) -> ProgressDisplay:
        """Start the display."""
        self._bar.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _fault: BaseException | None, _: TracebackType | None
    ) -> None:
        """Stop the display and leave the bar on the terminal."""
        self._bar.stop()

    def update(self, seed: int, played_s: float) -> None:
        """Record that a round has been played up to a time [s]."""
        self._played[seed] = played_s
        took_s = max(time.monotonic() - self._began_s, 0.1)
        all_s = sum(self._played.values())
        if played_s >= self._duration_s and seed not in self._over:
            self._over.add(seed)
            if not self._is_terminal:
                print(f"round {len(self._over)} of {self._rounds}: seed {seed}, after {took_s:.0f} s", flush=True)
        self._bar.update(
            self._task,
            completed=all_s / self._duration_s,
            part="",
            speed=f"{all_s / took_s:,.0f} x real time" if took_s > 1 else "",
        )
