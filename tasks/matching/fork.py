"""Work that a copy of the process does while the process itself continues, as when Redis saves its data.

A fork has all memory as it was at one instant, at the cost of copying page tables: 20 ms for the books of a million
orders. It must not keep the connections of the process; otherwise RabbitMQ and Postgres would not notice when the
worker is killed. And it must not exit like a Python process, which would close these connections properly.
"""

from __future__ import annotations

import gc
import os
import signal
import traceback
from collections.abc import Callable
from typing import Final, NoReturn

# A copy that takes longer than this hangs, and ends itself [s].
LIMIT_S: Final = 120

_FAILED: Final = 1


class Fork:
    """A copy of this process that does one piece of work, over its own connections, and ends.

    pid        process id of the copy; 0 once it has ended
    succeeded  whether it has completed its work
    """

    def __init__(self, work: Callable[[], None]) -> None:
        self.succeeded = False
        self.pid = os.fork()
        if not self.pid:
            _work_and_end(work)

    def has_ended(self) -> bool:
        """Return whether the copy has ended; `succeeded` then says how."""
        if self.pid:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid, self.succeeded = 0, status == 0
        return not self.pid

    def kill(self) -> None:
        """Kill the copy and wait for its end."""
        if not self.has_ended():
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid, self.succeeded = 0, False


def _work_and_end(work: Callable[[], None]) -> NoReturn:
    status = _FAILED
    try:
        gc.disable()  # a collection would touch, and so copy, every page
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)  # the worker's handlers are for the worker
        signal.alarm(LIMIT_S)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        work()
        status = 0
    except BaseException:  # noqa: BLE001  # no exception may reach the worker's code in this process
        traceback.print_exc()
    finally:
        os._exit(status)
