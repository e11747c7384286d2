"""A strategy's own options on the command line, the same for every command that starts one."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import Field
from typing import Any

from bots.loading import options_of
from bots.strategy import Strategy


def add_options(parser: argparse.ArgumentParser, kind: type[Strategy]) -> None:
    """Add a strategy's options to a command line."""
    own = parser.add_argument_group("strategy")
    for option in options_of(kind):
        own.add_argument(
            f"--{option.name.replace('_', '-')}",
            type=_read_as(option),
            default=option.default,
            metavar="N",
            help=f"{option.metadata['meaning'].replace('%', '%%')} (default: %(default)s)",
        )


def made(kind: type[Strategy], options: argparse.Namespace) -> Strategy:
    """Make a strategy with the options of the command line. Raises ValueError."""
    return kind(**{option.name: getattr(options, option.name) for option in options_of(kind)})


def _read_as(option: Field[Any]) -> Callable[[str], Any]:
    return _truth if isinstance(option.default, bool) else type(option.default)


def _truth(text: str) -> bool:
    if text not in ("true", "false"):
        raise argparse.ArgumentTypeError("write true or false")
    return text == "true"


def security_names(text: str) -> str:
    """Read names with commas between them from a command line, for argparse. Raises ArgumentTypeError."""
    if not all(text.split(",")):
        raise argparse.ArgumentTypeError(f"{text!r} has an empty name; write names like MSFT,AAPL")
    return text


def count(text: str) -> int:
    """Read a number of things from a command line, for argparse. Raises ArgumentTypeError."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 up")
    return int(text)
