"""`python3 -m deploy.local COMMAND`: installs programs and libraries, then runs the command in the virtual environment.

Standard library only: on a fresh machine there is nothing else yet.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from functools import partial

from deploy.local import environment_file, packages, virtual_environment
from deploy.local.addresses import SERVICE_URLS
from deploy.local.failure import Failure, ending
from deploy.local.places import EXCHANGE, ROOT, TESTS, VENV_PYTHON

COMMANDS = ("up", "down", "status", "logs", "clean", "run", "chaos", "cluster", "tournament", "test", "lint")


def main(arguments: list[str]) -> int:
    """Install what a command needs, and replace this process by it."""
    if arguments[:1] in (["--help"], ["-h"]):
        print(f"usage: python3 -m deploy.local COMMAND, one of: {', '.join(COMMANDS)}; `make help` explains them")
        return 0
    if not arguments or arguments[0] not in COMMANDS:
        raise Failure(f"unknown command: python3 -m deploy.local takes one of: {', '.join(COMMANDS)}")
    os.chdir(ROOT)
    command = arguments[0]
    if command == "up":
        packages.require(EXCHANGE, _services_to_run(), tools=["caddy"] if os.environ.get("PUBLIC") else [])
        virtual_environment.require(EXCHANGE, virtual_environment.RUNNING)
    elif command == "chaos":
        packages.require(TESTS, set(SERVICE_URLS.values()))
        virtual_environment.require(TESTS, virtual_environment.RUNNING)
    elif command == "cluster":
        tools = ["etcd", "patroni", "haproxy", "ip"]
        packages.require(EXCHANGE, set(SERVICE_URLS.values()), tools=tools if arguments[1:] == ["up"] else [])
        virtual_environment.require(EXCHANGE, virtual_environment.RUNNING)
    elif command == "tournament":
        packages.require(EXCHANGE, (), tools=["bwrap"] if _may_play_strangers(arguments) else [])
        virtual_environment.require(EXCHANGE, virtual_environment.LEAGUE)
    elif command == "test":
        # A test runs the curl commands of README, others open the pages, and others put Caddy in front of the api.
        tools = ["curl", packages.BROWSER, "caddy", "promtool", "bwrap"]
        packages.require(TESTS, set(SERVICE_URLS.values()), tools=tools)
        virtual_environment.require(TESTS, virtual_environment.TESTING)
    elif command == "lint":
        virtual_environment.require(TESTS, virtual_environment.TESTING)
    elif not VENV_PYTHON.exists():
        raise Failure("nothing is installed yet: start with `make up`")
    else:
        # These commands use the exchange as it was last started, whatever the caller's variables say.
        os.environ.update(environment_file.read(EXCHANGE))
    return os.execv(VENV_PYTHON, [str(VENV_PYTHON), "-m", f"deploy.local.commands.{command}", *arguments[1:]])


def _may_play_strangers(arguments: Collection[str]) -> bool:
    """Return whether a tournament may need a sandbox; where it cannot be installed, the tournament says what to do."""
    named = any(word.startswith("--with") or word.endswith(".toml") or word == "--isolate" for word in arguments)
    return named and not {"--trust", "--live"} & set(arguments) and packages.can_install()


def _services_to_run() -> Collection[str]:
    """Return the services with an address that the caller does not set."""
    return {service for variable, service in SERVICE_URLS.items() if not os.environ.get(variable)}


if __name__ == "__main__":
    raise SystemExit(ending(partial(main, sys.argv[1:])))
