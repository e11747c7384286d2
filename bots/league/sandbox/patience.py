"""How long a process keeps others waiting, without the time in which it waits for its own turn on a busy machine."""

from __future__ import annotations

from pathlib import Path

# States of a process, in /proc, in which it does not wait for itself: it runs, or waits for a processor or a disk.
_BUSY = frozenset("RD")
# The part of a look for which a process is to blame that did not get the processor: nothing waits for ever.
_SMALL_PART = 1 / 20


class Patience:
    """Counts the looks at a process that does not answer.

    counted_s  how long the process itself is to blame for [s]
    """

    __slots__ = ("_used_s", "counted_s")

    def __init__(self) -> None:
        self.counted_s = 0.0
        self._used_s = 0.0  # by the process, at the last look

    def renew(self) -> None:
        """Begin to count again: the process has answered."""
        self.counted_s = 0.0

    def look(self, pid: int | None, look_s: float) -> None:
        """Count a look at a process that has not answered since the previous look.

        pid     None if the process has ended
        look_s  time between the two looks [s]
        """
        self.counted_s += look_s if self._is_to_blame(pid, look_s) else look_s * _SMALL_PART

    def _is_to_blame(self, pid: int | None, look_s: float) -> bool:
        """Return whether the process had the processor for a quarter of the time, or did not want it."""
        try:
            state, *_ = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            used_s = sum(map(int, Path(f"/proc/{pid}/schedstat").read_text().split()[:1])) / 1e9
        except OSError:
            return True
        used_s, self._used_s = used_s - self._used_s, used_s
        return state not in _BUSY or used_s > look_s / 4
