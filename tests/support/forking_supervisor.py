"""`python -m tests.support.forking_supervisor supervisord -c FILE`: a supervisor whose programs start faster.

It has loaded the libraries of the stages, and its child becomes the program without loading them again: what
`setpriv --pdeathsig SIGNAL python -m MODULE` would be, which has loaded nothing of the exchange. Programs with gevent's
patches, and all that are not ours, start as usual.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence

from supervisor.options import ServerOptions
from supervisor.supervisord import main

from tests.support import forking

WITHOUT_GEVENT = ("celery_app", "tasks.catch_up", "tasks.referee")
_PR_SET_PDEATHSIG = 1


def _become(_: ServerOptions, file: str, words: Sequence[str], environment: Mapping[str, str]) -> None:
    """Take the place of os.execve in a child of the supervisor."""
    match list(words):
        case ["setpriv", "--pdeathsig", number, _, "-m", module, *arguments] if module in WITHOUT_GEVENT:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.Signals[f"SIG{number}"], 0, 0, 0)
            _run([module, *arguments], environment)
        case _:
            os.execve(file, words, environment)


def _run(words: list[str], environment: Mapping[str, str]) -> None:
    """Run a module and end. The supervisor's open files are closed by number, so nothing may look at them again."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGCHLD, signal.SIGUSR2):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    status = 1
    try:
        forking.run(words, environment)
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if isinstance(ended.code, str):
            sys.stderr.write(f"{ended.code}\n")
    except BaseException:  # noqa: BLE001  # as Python does at the end of a program
        traceback.print_exc()
    finally:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    forking.load("supervisor")
    ServerOptions.execve = _become
    sys.argv = sys.argv[1:]
    main()
