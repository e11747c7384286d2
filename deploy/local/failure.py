"""How a command that cannot do its work ends: one sentence that says what to do, and exit status 1."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable


class Failure(Exception):
    """The command cannot do its work; the message is for the person who called it and says what to do."""


def ending(command: Callable[[], int]) -> int:
    """Run a command and return its exit status; a Failure is printed and is status 1, Ctrl-C is 130."""
    try:
        return command()
    except Failure as failure:
        print(f"\n{failure}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    except OSError as fault:
        if fault.errno not in {errno.ENOSPC, errno.EACCES, errno.EPERM, errno.EROFS, errno.EDQUOT}:
            raise
        print(f"\n{fault.filename}: {fault.strerror}; make it possible and start again", file=sys.stderr)
    return 1
