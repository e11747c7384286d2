"""Lets the faults of a schedule happen, and measures how long the exchange takes to overcome each."""

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

# A fault that is not overcome by then is a finding; on a busy machine everything takes long [s].
PATIENCE_S = 180.0
# Faults that may be under way, or not overcome, at one time.
_MOST_AT_ONCE = 3
# A fault that is to come alone waits so long for the others to be overcome; then it comes all the same [s].
_ALONE_AFTER_S = 12.0
_LOOK_EVERY_S = 0.05


@dataclass(slots=True)
class Suffered:
    """A fault that happened, and what became of it.

    began_s     since the start of the run [s]
    recovery_s  from its end until everything worked again; None as long as it does not [s]
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
        self.suffered: list[Suffered] = []

    def run(self, seconds: float) -> None:
        """Let faults happen for so long or until there are no more; return when all are overcome, or given up."""
        until_s = time.monotonic() + seconds
        for fault in self._schedule:
            if time.monotonic() > until_s:
                break
            if not fault.on_top:
                self._wait_for_others(most=0, seconds=_ALONE_AFTER_S)
            self._wait_for_others(most=_MOST_AT_ONCE - 1)
            time.sleep(fault.gap_s)
            suffered = Suffered(fault, time.monotonic() - self._started_s)
            self.suffered.append(suffered)
            thread = threading.Thread(target=self._suffer, args=(suffered,), name=str(fault), daemon=True)
            self._under_way.append(thread)
            thread.start()
        self._wait_for_others(most=0)

    def _wait_for_others(self, *, most: int, seconds: float = math.inf) -> None:
        deadline_s = time.monotonic() + seconds
        while len(self._under_way) > most and time.monotonic() < deadline_s:
            self._under_way = [thread for thread in self._under_way if thread.is_alive()]
            time.sleep(_LOOK_EVERY_S)

    def _suffer(self, suffered: Suffered) -> None:
        try:
            is_back = self._arena.commit(suffered.fault)
            ended_s = time.monotonic()
            deadline_s = ended_s + PATIENCE_S
            while time.monotonic() < deadline_s:
                arrived_s = self._pulse.arrived_after(ended_s)
                if arrived_s is not None and is_back():
                    suffered.recovery_s = max(arrived_s, time.monotonic() - _LOOK_EVERY_S) - ended_s
                    break
                time.sleep(_LOOK_EVERY_S)
        except Exception as fault:
            suffered.broken = f"{type(fault).__name__}: {fault}"
            raise
        finally:
            self._say(suffered)

    def _say(self, suffered: Suffered) -> None:
        overcome = f"back after {suffered.recovery_s:.1f} s" if suffered.recovery_s is not None else "NOT BACK"
        fault = suffered.fault
        when = f"{suffered.began_s:6.1f} s"
        print(f"{when}  {fault.number:3}  {fault!s:<48} {overcome}", file=sys.stderr, flush=True)
