"""`make audit`, `make bench` and others: runs a module with the environment of the running exchange."""

from __future__ import annotations

import os
import sys

from deploy.local.failure import Failure, ending
from deploy.local.places import EXCHANGE, VENV_PYTHON
from deploy.local.supervisor import Supervisor


def main() -> int:
    """Replace this process by the module."""
    module, *arguments = sys.argv[1:]
    # Some benchmarks start an exchange of their own, or need none.
    if module != "bench" and not Supervisor(EXCHANGE).runs():
        raise Failure("the exchange is not running: start it with `make up`")
    os.execv(VENV_PYTHON, [str(VENV_PYTHON), "-m", module, *arguments])


if __name__ == "__main__":
    raise SystemExit(ending(main))
