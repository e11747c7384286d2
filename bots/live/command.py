"""`python -m bots run TARGET`: runs one bot on the exchange until it is stopped.

A bot that fails harms only itself. Its end is reported by an exit status, by one line, and with `--ending FILE` by a
JSON document.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from threading import Timer
from typing import NoReturn

from bots import duration
from bots.chance import chance_of
from bots.client import Client
from bots.errors import Problem
from bots.live import ending
from bots.live.access import CannotTrade, add_keys_file, add_url, key_of
from bots.live.ending import STATUS, Ending
from bots.live.runner import Runner
from bots.live.watchdog import Watchdog
from bots.loading import NoStrategy, strategy_of
from bots.options import add_options, made, security_names
from bots.strategy import Strategy

KEY_VARIABLE = "EXCHANGE_API_KEY"

# How long a bot retries a request before it considers the exchange away [s].
PATIENCE_S = 5.0
TIMEOUT_S = 5.0
# A callback that takes longer counts as hung; one that waits for the exchange takes up to the patience above [s].
LONGEST_CALLBACK_S = 30.0
# A bot whose callback does not return after a request to stop is ended after this time [s].
STOP_PATIENCE_S = 8.0

log = logging.getLogger(__name__)


def parser(target: str, kind: type[Strategy]) -> argparse.ArgumentParser:
    """Make a strategy's command line: the options of every bot, and its own."""
    described = (kind.__doc__ or "").replace("%", "%%")
    chosen = argparse.ArgumentParser(prog=f"python -m bots run {target}", description=described)
    _add_common(chosen)
    add_options(chosen, kind)
    return chosen


def _add_common(chosen: argparse.ArgumentParser) -> None:
    """Add the options of every bot."""
    common = chosen.add_argument_group("account and exchange")
    common.add_argument(
        "--client-id", metavar="ID", help="account to trade for (default: the strategy's name in capitals)"
    )
    common.add_argument(
        "--security", type=security_names, metavar="ID,...", default="MSFT", help="what to trade (default: %(default)s)"
    )
    add_url(common)
    common.add_argument("--key", help=f"the account's key (default: ${KEY_VARIABLE}, else the keys file)")
    add_keys_file(common)
    common.add_argument("--seed", type=int, help="makes this account's bot take the same decisions every time")
    life = chosen.add_argument_group("end of the run")
    life.add_argument("--duration", type=duration.length, metavar="1h30m", help="stop after this time (default: never)")
    life.add_argument("--seconds", type=duration.length, dest="duration", help=argparse.SUPPRESS)  # its former name
    life.add_argument("--ending", type=Path, metavar="FILE", help="write how the bot ended, as JSON with the traceback")
    life.add_argument(
        "--longest-callback-s",
        type=float,
        metavar="S",
        default=LONGEST_CALLBACK_S,
        help="a callback that takes longer counts as hung and ends the bot (default: %(default)s)",
    )


def _key(arguments: argparse.Namespace, client_id: str) -> str:
    """Find the account's key. Raises CannotTrade if there is none."""
    given: str | None = arguments.key or os.environ.get(KEY_VARIABLE)
    return given or key_of(arguments.keys_file, client_id, instead=f"--client-id, --key, ${KEY_VARIABLE}")


def _require_writable(file: Path) -> None:
    """Check that the ending can be written before the bot trades. Raises CannotTrade."""
    try:
        with tempfile.TemporaryFile(dir=file.parent):
            pass
    except OSError as fault:
        raise CannotTrade(f"--ending {file} cannot be written: {fault.strerror}") from None


def log_as(client_id: str) -> None:
    lines = logging.Formatter(
        f"%(asctime)s.%(msecs)03dZ %(levelname)s bot={client_id} %(message)s", "%Y-%m-%dT%H:%M:%S"
    )
    lines.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(lines)
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def main(arguments: Sequence[str]) -> int:
    """Run one bot until it is stopped; return the exit status of its ending."""
    if not arguments or arguments[0].startswith("-"):
        usage = argparse.ArgumentParser(
            prog="python -m bots run", epilog="python -m bots run TARGET --help lists the options of a strategy, too."
        )
        usage.add_argument("target", metavar="TARGET", help="a strategy's name, FILE.py:CLASS or MODULE:CLASS")
        _add_common(usage)
        usage.parse_args(arguments)
        usage.error("name what is to trade first, and its options after it")
    target = arguments[0]
    try:
        kind = strategy_of(target)
        options = parser(target, kind).parse_args(arguments[1:])
        client_id = options.client_id or (kind.name or kind.__name__).upper()
        strategy = made(kind, options)
        if options.ending is not None:
            _require_writable(options.ending)
        client = Client(options.url, _key(options, client_id), patience_s=PATIENCE_S, timeout_s=TIMEOUT_S)
    except (NoStrategy, CannotTrade, ValueError) as fault:
        print(f"python -m bots: {fault}", file=sys.stderr)
        return STATUS["refused"]
    log_as(client_id)
    rng = random.Random() if options.seed is None else chance_of(options.seed, client_id)
    runner = Runner(strategy, client, client_id=client_id, rng=rng)
    ended = live(runner, options, client_id=client_id, strategy=target)
    if options.ending is not None:
        ended.write(options.ending)
    return STATUS[ended.outcome]


def live(runner: Runner, options: argparse.Namespace, *, client_id: str, strategy: str) -> Ending:
    """Run a bot until it is asked to stop, its time is over, or it cannot continue.

    options  security, url, duration, ending and longest_callback_s, as on the command line
    """
    signal.signal(signal.SIGTERM, lambda *_: _asked_to_stop(runner))
    signal.signal(signal.SIGINT, lambda *_: _asked_to_stop(runner))
    hang = partial(_hung, runner, options.ending, client_id, strategy)
    runner.watched_by(Watchdog(options.longest_callback_s, hang))
    if options.duration is not None:
        _later(options.duration, runner.stop)
    of_bot = partial(Ending, client_id=client_id, strategy=strategy)
    try:
        runner.run(options.security.split(","))
    except Problem as problem:
        print(f"python -m bots: {options.url} refuses the key of {client_id}: {problem}", file=sys.stderr)
        return of_bot(outcome="refused", at_s=runner.now_s, error=str(problem))
    except Exception as error:  # of the strategy; it ends this bot and is reported as such
        if isinstance(error, LookupError) and not runner.has_started:
            print(f"python -m bots: {error}", file=sys.stderr)
            return of_bot(outcome="refused", at_s=runner.now_s, error=str(error))
        log.exception("strategy_raised at=%.3f", runner.now_s)
        return ending.raised(error, client_id=client_id, strategy=strategy, at_s=runner.now_s)
    if not runner.has_started and runner.away_s:
        silence = f"{options.url} did not answer in {runner.now_s:.0f} s: see `make status`, or start it"
        print(f"python -m bots: {silence}", file=sys.stderr)
        return of_bot(outcome="unreachable", at_s=runner.now_s, error=silence)
    return of_bot(outcome="stopped", at_s=runner.now_s)


def _asked_to_stop(runner: Runner) -> None:
    runner.stop()
    _later(STOP_PATIENCE_S, lambda: os._exit(STATUS["hung"]))


def _later(seconds: float, do: Callable[[], object]) -> None:
    timer = Timer(seconds, do)
    timer.daemon = True
    timer.start()


def _hung(runner: Runner, file: Path | None, client_id: str, strategy: str, thread_id: int, busy_s: float) -> NoReturn:
    ended = ending.hung(thread_id, client_id=client_id, strategy=strategy, at_s=runner.now_s, busy_s=busy_s)
    log.error("strategy_hung at=%.3f\n%s", ended.at_s, ended.traceback)
    if file is not None:
        ended.write(file)
    os._exit(STATUS["hung"])
