"""The command line of the bots; `python -m bots --help` names all that it does.

`python -m bots NAME` is short for `python -m bots run NAME`.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from bots.strategies import STRATEGIES

# What each command does, and the module whose `main` takes its arguments and returns the exit status. They are
# imported when they are asked for: a live bot has no use for plots.
COMMANDS = {
    "run": ("bots.live", "trade on the running exchange, until stopped"),
    "simulate": ("bots.simulate", "trade in a market in memory: an hour in seconds, and no services"),
    "tournament": ("bots.league.tournament", "let bots play against each other, with a report"),
    "verify": ("bots.league.verify", "play a tournament again, and see that its result is what comes of it"),
    "new": ("bots.template", "write a bot of your own to start from"),
}


def parser() -> argparse.ArgumentParser:
    """What `--help` shows; the commands read their own arguments."""
    shown = argparse.ArgumentParser(
        prog="python -m bots",
        description="Bots for the exchange: ours by name, yours as FILE.py:CLASS.",
        epilog="python -m bots STRATEGY is short for python -m bots run STRATEGY; each has --help.",
    )
    commands = shown.add_subparsers(dest="command", required=True, metavar="COMMAND", title="commands and strategies")
    for command, (_, meaning) in COMMANDS.items():
        commands.add_parser(command, help=meaning)
    for name, strategy in STRATEGIES.items():
        commands.add_parser(name, help=(strategy.__doc__ or "").replace("%", "%%").partition("\n")[0])
    return shown


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is asked; the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] in STRATEGIES:
        given.insert(0, "run")
    if not given or given[0] not in COMMANDS:
        parser().parse_args(given)  # which shows the help, or says what is wrong, and ends
    module, _ = COMMANDS[given[0]]
    status: int = importlib.import_module(module).main(given[1:])
    return status


if __name__ == "__main__":
    sys.exit(main())
