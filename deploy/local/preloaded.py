"""`python -m deploy.local.preloaded -c FILE`: a supervisor that has loaded the modules of the workers.

Its children become workers without loading them again. So a worker starts with a tenth of the CPU, and needs a third of
the memory for itself alone. What `setpriv --pdeathsig SIGNAL python -m MODULE` would be becomes a fork of the
supervisor, with the same command and variables in /proc. All other programs start as usual: services; api and streams,
because gevent's patches come before everything else; and bots, because a fork could read in its memory what the
supervisor knows, and strangers write bots. If a file of a loaded module has changed since, everything starts as usual,
and so runs what is in the files.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn, TextIO

from supervisor.options import ServerOptions
from supervisor.supervisord import main

from deploy.local import forks

# The modules whose processes are forks.
FORKED = ("celery_app", "tasks.catch_up", "tasks.referee", "deploy.flower")

# Everything that these modules import, except what registers tasks: a worker knows only those of its own stages. None
# reads a setting when it is loaded.
LOADED = (
    "celery.apps.beat", "celery.apps.worker", "celery.concurrency.solo", "celery.worker.components",
    "kombu.transport.pyamqp", "psycopg2.errors", "psycopg2.extras", "sqlalchemy.dialects.postgresql.psycopg2",
    "prometheus_client", "tornado.httpserver", "tornado.web",
    "celery_app", "celery_app.consumer", "celery_app.events",
    "db.clearing_data.log.suspects", "tasks.services",
    "tasks.order_entry.admit", "tasks.order_entry.rules.feed", "tasks.order_entry.tick",
    "tasks.matching.shard",
    "tasks.order_execution.margin", "tasks.order_execution.securities", "tasks.order_execution.settle",
    "tasks.data_feed.push", "tasks.data_feed.record", "tasks.data_feed.rules.halves",
    "tasks.scheduler.bell",
    "tasks.catch_up.begin", "tasks.catch_up.broker", "tasks.catch_up.watch",
    "tasks.referee.round",
)  # fmt: skip

_SET_PARENT_DEATH_SIGNAL = 1  # of prctl(2)
_OF_SUPERVISOR = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGCHLD, signal.SIGUSR2)


def supervise() -> None:
    """Load the modules, and be supervisord."""
    try:
        versions = forks.load(LOADED)
    except Exception:  # noqa: BLE001  # a mistake in a module, and the process that needs it says so in its log
        traceback.print_exc()
    else:
        ServerOptions.execve = lambda _, *program: become(versions, *program)
    ServerOptions.fork = lambda _: fork()
    main()


def fork() -> int:
    """Fork like os.fork, and hold signals back until the child has dropped the supervisor's handlers."""
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _OF_SUPERVISOR)
    try:
        pid = os.fork()
        if pid == 0:
            for number in _OF_SUPERVISOR:
                signal.signal(number, signal.SIG_DFL)
        return pid
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def become(
    versions: Mapping[Path, forks.Version], file: str, words: list[str], environment: Mapping[str, str]
) -> NoReturn:
    """Take the place of os.execve in a child of the supervisor.

    versions  of the files of all loaded modules
    """
    match words:
        case ["setpriv", "--pdeathsig", name, *command] if is_forked(command) and forks.are_current(versions):
            try:
                forks.show(command, environment)
            except OSError:  # on this kernel, ps would show the supervisor instead
                os.execve(file, words, environment)
            ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.Signals[f"SIG{name}"], 0, 0, 0)
            run(command[2:], environment)
        case _:
            os.execve(file, words, environment)


def is_forked(command: Sequence[str]) -> bool:
    """Return whether the process of a command is a fork of the supervisor."""
    return command[1:2] == ["-m"] and command[2] in FORKED


def run(words: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    """Run a module and end, whatever happens: this process must not go on as a second supervisor."""
    status = 1
    try:
        gc.freeze()  # what the supervisor has opened is closed, and another file may have its number
        _open_standard_streams()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        forks.run(words, environment)
        status = 0
    except SystemExit as ended:
        status = _status_of(ended)
    except BaseException:  # noqa: BLE001  # as Python does at the end of a program
        traceback.print_exc()
    finally:
        try:
            threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001
            atexit._run_exitfuncs()  # noqa: SLF001
            sys.stdout.flush()
        finally:
            os._exit(status & 0xFF)


def _open_standard_streams() -> None:
    """Open what Python opens at its start, unbuffered; supervisord has opened /dev/null in their places."""
    streams = {
        "stdin": open(0, closefd=False),  # noqa: SIM115
        "stdout": _writer(1, errors="strict"),
        "stderr": _writer(2, errors="backslashreplace"),
    }
    _of_supervisor.extend((sys.stdin, sys.stdout, sys.stderr))
    for name, stream in streams.items():
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


# Not to be closed by the collector: their numbers may belong to other files by then.
_of_supervisor: list[TextIO] = []


def _writer(descriptor: int, *, errors: str) -> io.TextIOWrapper:
    raw = open(descriptor, "wb", buffering=0, closefd=False)  # noqa: SIM115
    return io.TextIOWrapper(raw, errors=errors, write_through=True)


def _status_of(ended: SystemExit) -> int:
    if ended.code is None or isinstance(ended.code, int):
        return ended.code or 0
    sys.stderr.write(f"{ended.code}\n")
    return 1


if __name__ == "__main__":
    supervise()
