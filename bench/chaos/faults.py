"""Causes the faults of a schedule, and measures the recovery from each."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from bench.chaos.arena import Arena
from bench.chaos.pulse import Pulse
from bench.chaos.schedule import Fault

# A longer recovery is a finding; the time allows for a busy machine [s].
PATIENCE_S = 180.0
# Faults from which the exchange may be recovering at the same time.
_MOST_AT_ONCE = 3
# A fault without overlap waits this long for the recovery from others; then it happens anyway [s].
_ALONE_AFTER_S = 12.0
_LOOK_EVERY_S = 0.05


@dataclass(slots=True)
class FaultOutcome:
    """A fault that happened, and the recovery from it.

    began_s     since the start of the run [s]
    recovery_s  from its end until everything worked again [s]; None: not yet
    """

    fault: Fault
    began_s: float
    recovery_s: float | None = None
    broken: str = ""


class FaultRunner:
    """Runs through a schedule."""

    def __init__(self, arena: Arena, pulse: Pulse, schedule: Iterator[Fault], *, started_s: float) -> None:
        self._arena = arena
        self._pulse = pulse
        self._schedule = schedule
        self._started_s = started_s
        self._under_way: list[threading.Thread] = []
        self.outcomes: list[FaultOutcome] = []

    def run(self, seconds: float) -> None:
        """Cause faults for `seconds` or to the end of the schedule; return after recovery from all, or PATIENCE_S."""
        until_s = time.monotonic() + seconds
        for fault in self._schedule:
            if time.monotonic() > until_s:
                break
            if not fault.on_top:
                self._wait_for_others(most=0, seconds=_ALONE_AFTER_S)
            self._wait_for_others(most=_MOST_AT_ONCE - 1)
            time.sleep(fault.gap_s)
            outcome = FaultOutcome(fault, time.monotonic() - self._started_s)
            self.outcomes.append(outcome)
            thread = threading.Thread(target=self._suffer, args=(outcome,), name=str(fault), daemon=True)
            self._under_way.append(thread)
            thread.start()
        self._wait_for_others(most=0)

    def _wait_for_others(self, *, most: int, seconds: float = math.inf) -> None:
        deadline_s = time.monotonic() + seconds
        while len(self._under_way) > most and time.monotonic() < deadline_s:
            self._under_way = [thread for thread in self._under_way if thread.is_alive()]
            time.sleep(_LOOK_EVERY_S)

    def _suffer(self, outcome: FaultOutcome) -> None:
        try:
            is_back = self._arena.commit(outcome.fault)
            ended_s = time.monotonic()
            deadline_s = ended_s + PATIENCE_S
            while time.monotonic() < deadline_s:
                arrived_s = self._pulse.arrived_after(ended_s)
                if arrived_s is not None and is_back():
                    outcome.recovery_s = max(arrived_s, time.monotonic() - _LOOK_EVERY_S) - ended_s
                    break
                time.sleep(_LOOK_EVERY_S)
        except Exception as fault:
            outcome.broken = f"{type(fault).__name__}: {fault}"
            raise
        finally:
            self._say(outcome)

    def _say(self, outcome: FaultOutcome) -> None:
        overcome = f"back after {outcome.recovery_s:.1f} s" if outcome.recovery_s is not None else "NOT BACK"
        fault = outcome.fault
        when = f"{outcome.began_s:6.1f} s"
        print(f"{when}  {fault.number:3}  {fault!s:<48} {overcome}", file=sys.stderr, flush=True)
