"""`make logs`: follows the logs of all processes."""

from __future__ import annotations

import os

from deploy.local.failure import Failure, ending
from deploy.local.places import EXCHANGE


def main() -> int:
    """Replace this process by `tail`."""
    files = sorted(EXCHANGE.logs.glob("*.log"))
    if not files:
        raise Failure("there are no logs yet: start the exchange with `make up`")
    os.execvp("tail", ["tail", "--lines=5", "-F", *map(str, files)])


if __name__ == "__main__":
    raise SystemExit(ending(main))
