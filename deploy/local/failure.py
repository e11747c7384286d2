"""The end of a command that fails: one sentence that says what to do, and exit status 1."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable


class Failure(Exception):
    """The command fails; the message says what to do."""


def ending(command: Callable[[], int], *, left_by_interrupt: str = "") -> int:
    """Run a command and return its exit status: 1 after a Failure, 130 after Ctrl-C, 141 if a pipe is closed.

    left_by_interrupt  what Ctrl-C leaves behind, to be said after "interrupted"
    """
    try:
        status = command()
        sys.stdout.flush()
        return status
    except Failure as failure:
        print(f"\n{failure}", file=sys.stderr)
    except KeyboardInterrupt:
        print(f"\ninterrupted{left_by_interrupt}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of the output has seen enough. What is left would fail again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as fault:
        if fault.errno not in {errno.ENOSPC, errno.EACCES, errno.EPERM, errno.EROFS, errno.EDQUOT}:
            raise
        print(f"\n{fault.filename}: {fault.strerror}; correct that and run the command again", file=sys.stderr)
    return 1
