"""The command line of the bots; `python -m bots --help` lists its commands.

`python -m bots NAME` is short for `python -m bots run NAME`.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from bots.strategies import STRATEGIES

# Exit statuses as a shell gives them: 128 and the number of the signal.
INTERRUPTED = 130
CLOSED_PIPE = 141

# For each command the module whose `main` takes its arguments and returns the exit status, and its meaning. Modules
# are imported on use: a live bot does not need plots.
COMMANDS = {
    "run": ("bots.live.command", "trade on the running exchange, until stopped"),
    "crew": ("bots.live.crew", "run several bots of one strategy in one process"),
    "newsroom": ("bots.live.newsroom", "publish the news that moves the hidden values, with the admin's key"),
    "simulate": ("bots.simulate", "trade in a market in memory: an hour in seconds, without services"),
    "tournament": ("bots.league.tournament", "let bots play against each other and write a report"),
    "verify": ("bots.verify", "check the result of a tournament, or recount the standings of a competition"),
    "new": ("bots.template", "write a bot of your own to start from"),
}


def parser() -> argparse.ArgumentParser:
    """Make what `--help` shows; the commands parse their own arguments."""
    shown = argparse.ArgumentParser(
        prog="python -m bots",
        description="Bots for the exchange: the included ones by name, your own as FILE.py:CLASS.",
        epilog="python -m bots STRATEGY is short for python -m bots run STRATEGY; every command has --help.",
    )
    commands = shown.add_subparsers(dest="command", required=True, metavar="COMMAND", title="commands and strategies")
    for command, (_, meaning) in COMMANDS.items():
        commands.add_parser(command, help=meaning)
    for name, strategy in STRATEGIES.items():
        commands.add_parser(name, help=(strategy.__doc__ or "").replace("%", "%%").partition("\n")[0])
    return shown


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] in STRATEGIES:
        given.insert(0, "run")
    if not given or given[0] not in COMMANDS:
        parser().parse_args(given)  # prints the help or the error, and exits
    return _ended(given[0], given[1:])


def _ended(command: str, arguments: Sequence[str]) -> int:
    """Run a command; whatever ends it is said in one sentence."""
    module, _ = COMMANDS[command]
    try:
        status: int = importlib.import_module(module).main(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _said("interrupted", INTERRUPTED)
    except BrokenPipeError:
        # The reader of the output has seen enough. What is left would fail again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] in {"bots", "tasks", ""}:
            raise
        return _said(
            f"{command} needs {missing.name}, which is not installed: "
            "`make tournament` installs it, or pip install -r bots/league/requirements.txt",
            1,
        )
    except OSError as fault:
        if fault.filename is None:
            raise
        return _said(f"{fault.filename}: {fault.strerror}", 1)
    return status


def _said(sentence: str, status: int) -> int:
    print(f"python -m bots: {sentence}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
