"""`python -m bench.forking worker|web`: loads modules, then forks a process for each line of its input.

A line is a JSON object: the words of the command behind `python -m`, all variables, and the log. To its output go lines
[0, null] when it is ready, [pid, null] when a process has started, and [pid, status] when it has ended.
"""

# The functions of gevent's patches would not do: they belong to a loop that a fork must not inherit.
from os import fork, read, waitpid, write  # isort: skip
from select import select  # isort: skip
from signal import SIG_DFL, SIGCHLD, set_wakeup_fd, signal  # isort: skip

import json
import os
import sys
from contextlib import suppress
from typing import Any

from deploy.local import forks

# What a process of the web loads; with gevent's patches, nothing of ours is loaded before them.
_WEB = (
    "celery.app", "kombu.transport.pyamqp", "sqlalchemy.dialects.postgresql.psycopg2", "pydantic_settings", "structlog",
    "msgspec", "redis", "flask", "flask_socketio", "gevent.pywsgi", "simple_websocket", "prometheus_client", "psutil",
)  # fmt: skip


def main(loaded: str) -> None:
    """Serve; in a new process, become what the line says."""
    if loaded == "web":
        # As api/__main__.py begins.
        from gevent import monkey

        monkey.patch_all()
        from psycogreen.gevent import patch_psycopg

        patch_psycopg()
        forks.load(_WEB)
    else:
        from deploy.local import preloaded

        forks.load(preloaded.LOADED)
    order = _serve()
    if order is not None:
        _become(**order)


def _serve() -> dict[str, Any] | None:
    """Fork until the input ends; return in each new process with its order, and at the end with None."""
    _report(0, None)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal(SIGCHLD, lambda *_: None)
    set_wakeup_fd(wake)
    received = b""
    while True:
        ready, _, _ = select([0, woken], [], [])
        if woken in ready:
            read(woken, 4096)
            _report_ended()
        if 0 in ready:
            part = read(0, 1 << 20)
            if not part:
                return None
            *lines, received = (received + part).split(b"\n")
            for line in lines:
                if (pid := fork()) == 0:
                    set_wakeup_fd(-1)
                    signal(SIGCHLD, SIG_DFL)
                    os.close(woken)
                    os.close(wake)
                    return dict(json.loads(line))
                _report(pid, None)


def _report_ended() -> None:
    while True:
        try:
            pid, status = waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _report(pid, os.waitstatus_to_exitcode(status))


def _report(pid: int, status: int | None) -> None:
    write(1, json.dumps([pid, status]).encode() + b"\n")


def _become(words: list[str], environment: dict[str, str], log: str) -> None:
    os.setsid()
    null, out = os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for opened, place in ((null, 0), (out, 1), (out, 2)):
        os.dup2(opened, place)
    os.close(null)
    os.close(out)
    with suppress(OSError):  # this kernel cannot
        forks.show([sys.executable, "-m", *words], environment)
    forks.run(words, environment)


if __name__ == "__main__":
    main(sys.argv[1])
