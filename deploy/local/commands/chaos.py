"""`make chaos`: runs bench/chaos on an exchange of its own, also next to a running one."""

from __future__ import annotations

import os
import sys

from deploy.local.places import VENV_PYTHON


def main() -> None:
    """Replace this process by the chaos run."""
    os.execv(VENV_PYTHON, [str(VENV_PYTHON), "-m", "bench.chaos", *sys.argv[1:]])


if __name__ == "__main__":
    main()
