"""`make chaos`: runs the chaos of bench/chaos on an exchange of its own, which may run beside `make up`."""

from __future__ import annotations

import os
import sys

from deploy.local.places import VENV_PYTHON


def main() -> None:
    """Become it."""
    os.execv(VENV_PYTHON, [str(VENV_PYTHON), "-m", "bench.chaos", *sys.argv[1:]])


if __name__ == "__main__":
    main()
