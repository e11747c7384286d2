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
    if isinstance(option.default, bool):
        return lambda text: {"true": True, "false": False}[text]
    return type(option.default)
