"""Repeated passes over the same feed, and their CPU time. Standard library only."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass

WARM_UPS = 3


@dataclass(frozen=True, slots=True)
class Passes:
    """CPU seconds of each pass, and the shares left in the books, which must be the same for all engines."""

    cpu_s: list[float]
    open_shares: int


def run(one_pass: Callable[[], tuple[float, int]], *, seconds: float) -> Passes:
    """Repeat a pass for `seconds` of CPU; a pass returns its own CPU seconds and the shares left open."""
    for _ in range(WARM_UPS):
        one_pass()
    cpu_s: list[float] = []
    open_shares = 0
    end_s = time.process_time() + seconds
    while time.process_time() < end_s:
        gc.collect()  # the garbage of the previous pass must not count for this one
        used_s, open_shares = one_pass()
        cpu_s.append(used_s)
    return Passes(cpu_s, open_shares)
