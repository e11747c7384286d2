"""`python3 -m deploy.local COMMAND`: sees to programs and libraries, then runs the command in the virtual environment.

Standard library only: on a fresh machine there is nothing else yet.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from functools import partial

from deploy.local import environment_file, packages, virtual_environment
from deploy.local.failure import Failure, ending
from deploy.local.places import EXCHANGE, ROOT, TESTS, VENV_PYTHON
from deploy.local.variables import SERVICE_URLS

COMMANDS = ("up", "down", "status", "logs", "clean", "run", "chaos", "tournament", "test", "lint")


def main(arguments: list[str]) -> int:
    """Prepare what a command takes, and become it."""
    if not arguments or arguments[0] not in COMMANDS:
        raise Failure(f"python3 -m deploy.local takes one of: {', '.join(COMMANDS)}")
    os.chdir(ROOT)
    command = arguments[0]
    if command == "up":
        packages.require(EXCHANGE, _services_to_run(), tools=["caddy"] if os.environ.get("PUBLIC") else [])
        virtual_environment.require(EXCHANGE, virtual_environment.RUNNING)
    elif command == "chaos":
        packages.require(TESTS, set(SERVICE_URLS.values()))
        virtual_environment.require(TESTS, virtual_environment.RUNNING)
    elif command == "tournament":
        packages.require(EXCHANGE, ())
        virtual_environment.require(EXCHANGE, virtual_environment.LEAGUE)
    elif command == "test":
        # curl, because a test types what README tells a newcomer to type; caddy, because one is behind it.
        packages.require(TESTS, set(SERVICE_URLS.values()), tools=["curl", "chromium", "caddy"])
        virtual_environment.require(TESTS, virtual_environment.TESTING)
    elif command == "lint":
        virtual_environment.require(TESTS, virtual_environment.TESTING)
    elif not VENV_PYTHON.exists():
        raise Failure("nothing is installed yet: start with `make up`")
    else:
        # These look at the exchange as it was last started, whatever the caller's variables say.
        os.environ.update(environment_file.read(EXCHANGE))
    os.execv(VENV_PYTHON, [str(VENV_PYTHON), "-m", f"deploy.local.commands.{command}", *arguments[1:]])


def _services_to_run() -> Collection[str]:
    """The services of which not every address is given."""
    return {service for variable, service in SERVICE_URLS.items() if not os.environ.get(variable)}


if __name__ == "__main__":
    raise SystemExit(ending(partial(main, sys.argv[1:])))
