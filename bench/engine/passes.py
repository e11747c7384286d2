"""The same feed over and over again, and how long each pass took. Standard library only."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass

WARM_UPS = 3


@dataclass(frozen=True, slots=True)
class Passes:
    """CPU seconds of each pass, and the shares that were left in the books, which all engines have to agree on."""

    cpu_s: list[float]
    open_shares: int


def run(one_pass: Callable[[], tuple[float, int]], *, seconds: float) -> Passes:
    """Run passes for so many seconds of CPU; each gives its own CPU seconds and the shares left open."""
    for _ in range(WARM_UPS):
        one_pass()
    cpu_s: list[float] = []
    open_shares = 0
    end_s = time.process_time() + seconds
    while time.process_time() < end_s:
        gc.collect()  # of the pass before, which is not this one's to pay
        used_s, open_shares = one_pass()
        cpu_s.append(used_s)
    return Passes(cpu_s, open_shares)
