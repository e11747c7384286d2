"""Starts a bot: `python -m bots random_walk --client-id RANDOM_WALK`; `python -m bots --help` names them all."""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import os
import random
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from bots.client import Client
from bots.errors import Problem
from bots.runner import Runner
from bots.strategies import STRATEGIES
from bots.strategy import Strategy

# Where nothing is given on the command line.
KEY_VARIABLE = "EXCHANGE_API_KEY"
URL = os.environ.get("EXCHANGE_URL", "http://127.0.0.1:8000")
KEYS_FILE = Path(os.environ.get("EXCHANGE_KEYS_FILE", ".run/keys.json"))

# A bot has a life of its own to go on with: it tries a request for so long before it calls the exchange away [s].
PATIENCE_S = 5.0
TIMEOUT_S = 5.0


def parser() -> argparse.ArgumentParser:
    """The command line: a strategy, what all bots have in common, and the strategy's own options."""
    everyone = argparse.ArgumentParser(add_help=False)
    common = everyone.add_argument_group("who trades, where")
    common.add_argument("--client-id", metavar="ID", help="account to trade for (default: the strategy in capitals)")
    common.add_argument("--security", metavar="ID,...", default="MSFT", help="what to trade (default: %(default)s)")
    common.add_argument("--url", default=URL, help="the exchange (default: $EXCHANGE_URL, now %(default)s)")
    common.add_argument("--key", help=f"the account's key (default: ${KEY_VARIABLE}, else the keys file)")
    common.add_argument(
        "--keys-file",
        type=Path,
        metavar="FILE",
        default=KEYS_FILE,
        help="JSON: account to key (default: $EXCHANGE_KEYS_FILE, now %(default)s)",
    )
    common.add_argument("--seed", type=int, help="makes the bot decide the same every time")

    main = argparse.ArgumentParser(
        prog="python -m bots",
        description="Trade on the exchange with one of the strategies below, until stopped.",
        epilog="python -m bots STRATEGY --help shows the options of a strategy.",
    )
    strategies = main.add_subparsers(dest="strategy", required=True, metavar="STRATEGY", title="strategies")
    for name, strategy in STRATEGIES.items():
        described = (strategy.__doc__ or "").replace("%", "%%")
        first_line = described.partition("\n")[0]
        chosen = strategies.add_parser(name, parents=[everyone], help=first_line, description=described)
        own = chosen.add_argument_group("strategy")
        for option in _options(strategy):
            own.add_argument(
                f"--{option.name.replace('_', '-')}",
                type=type(option.default),
                default=option.default,
                metavar="N",
                help=f"{option.metadata['meaning'].replace('%', '%%')} (default: %(default)s)",
            )
    return main


def _options(strategy: type[Strategy]) -> list[dataclasses.Field[Any]]:
    return [option for option in dataclasses.fields(strategy) if "meaning" in option.metadata]


def _key(arguments: argparse.Namespace, client_id: str) -> str:
    """The key of the account; SystemExit with one sentence when there is none."""
    given: str | None = arguments.key or os.environ.get(KEY_VARIABLE)
    if given:
        return given
    file: Path = arguments.keys_file
    try:
        keys = json.loads(file.read_text())
    except FileNotFoundError:
        _give_up(f"there is no key: {file} does not exist; give --key, ${KEY_VARIABLE} or --keys-file")
    except (OSError, ValueError) as fault:
        _give_up(f"the keys file {file} cannot be read: {fault}")
    key = keys.get(client_id) if isinstance(keys, dict) else None
    if not isinstance(key, str):
        _give_up(f"{file} has no key for {client_id}; give --client-id, --key or another --keys-file")
    return key


def _give_up(sentence: str) -> NoReturn:
    print(f"python -m bots: {sentence}", file=sys.stderr)
    raise SystemExit(1)


def _log_as(client_id: str) -> None:
    lines = logging.Formatter(
        f"%(asctime)s.%(msecs)03dZ %(levelname)s bot={client_id} %(message)s", "%Y-%m-%dT%H:%M:%S"
    )
    lines.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(lines)
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one bot until it is stopped; exit status 1 and one sentence when it cannot trade at all."""
    options = parser().parse_args(arguments)
    kind = STRATEGIES[options.strategy]
    client_id = options.client_id or options.strategy.upper()
    try:
        strategy = kind(**{option.name: getattr(options, option.name) for option in _options(kind)})
    except ValueError as fault:
        _give_up(str(fault))
    client = Client(options.url, _key(options, client_id), patience_s=PATIENCE_S, timeout_s=TIMEOUT_S)
    _log_as(client_id)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        Runner(strategy, client, client_id=client_id, rng=random.Random(options.seed)).run(options.security.split(","))
    except Problem as problem:
        _give_up(f"{options.url} refuses the key of {client_id}: {problem}")
    except LookupError as fault:
        _give_up(str(fault))
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
