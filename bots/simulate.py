"""`python -m bots simulate TARGET`: plays a bot against others in memory, an hour in seconds, without services.

This is the first thing to do with a new bot: the strategy is the same class that trades on the exchange, the rules are
the exchange's own, and the same seed repeats the run exactly.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from random import Random

from bots import duration
from bots.fundamental import Fundamental
from bots.loading import NoStrategy, strategy_of
from bots.options import add_options, made, security_names
from bots.simulated.configuration import Configuration, Latency, Listing, Opening
from bots.simulated.market import Market
from bots.simulated.outcome import BotOutcome, Outcome
from bots.strategies.informed import Informed
from bots.strategy import Strategy

AGAINST = "zero_intelligence,random_walk,retail,market_maker,avellaneda_stoikov,informed"
REFERENCE_CENTS = 10_000


def parser(target: str, kind: type[Strategy]) -> argparse.ArgumentParser:
    """Make the command line: options of the market, and the strategy's own."""
    shown = argparse.ArgumentParser(
        prog=f"python -m bots simulate {target}", description=(kind.__doc__ or "").replace("%", "%%")
    )
    _add_market(shown)
    add_options(shown, kind)
    return shown


def _add_market(shown: argparse.ArgumentParser) -> None:
    """Add the options of the market."""
    market = shown.add_argument_group("the market")
    market.add_argument(
        "--against", metavar="NAME,...", default=AGAINST, help="opponents, by name or FILE.py:CLASS (%(default)s)"
    )
    market.add_argument(
        "--duration",
        type=duration.option,
        default=3_600.0,
        metavar="1h30m",
        help="simulated time (default: 1h)",
    )
    market.add_argument("--minutes", type=_minutes, dest="duration", help=argparse.SUPPRESS)  # its former name
    market.add_argument(
        "--seed", type=int, default=1, metavar="N", help="the same seed repeats the run (default: %(default)s)"
    )
    market.add_argument(
        "--security",
        type=security_names,
        metavar="ID,...",
        default="MSFT",
        help="what is traded (default: %(default)s)",
    )
    market.add_argument(
        "--latency-ms", type=float, default=2.0, metavar="N", help="of this bot, each way [ms] (default: %(default)s)"
    )
    market.add_argument("--notes", action="store_true", help="print what the strategy logs with log()")


def _minutes(text: str) -> float:
    return 60 * float(text)


def main(arguments: Sequence[str]) -> int:
    """Play one match and print its outcome. Exit status 0; 1 if it cannot start, 3 if the bot was removed."""
    if not arguments or arguments[0].startswith("-"):
        usage = argparse.ArgumentParser(
            prog="python -m bots simulate",
            description=__doc__.partition("\n")[0],
            epilog="python -m bots simulate TARGET --help lists the options of a strategy, too.",
        )
        usage.add_argument("target", metavar="TARGET", help="a strategy's name, FILE.py:CLASS or MODULE:CLASS")
        _add_market(usage)
        usage.parse_args(arguments)
        usage.error("name what is to play first, and its options after it")
    target = arguments[0]
    try:
        kind = strategy_of(target)
        options = parser(target, kind).parse_args(arguments[1:])
        if not options.duration > 0 or options.latency_ms < 0:
            raise ValueError("--duration must be above 0, and --latency-ms must not be negative")
        bot = made(kind, options)
        others = [strategy_of(name)() for name in options.against.split(",") if name]
        client_id = (kind.name or kind.__name__).upper()
        market = _market(client_id, bot, others, options)
    except (NoStrategy, ValueError) as fault:
        print(f"python -m bots: {fault}", file=sys.stderr)
        return 1
    began_s = time.perf_counter()
    outcome = market.play()
    took_s = time.perf_counter() - began_s
    mine = outcome.bots[client_id]
    if options.notes:
        for note in mine.notes:
            fields = "".join(f" {name}={field}" for name, field in note.fields.items())
            print(f"{note.time_s:12.3f} {note.text}{fields}")
    print("\n".join(_summary(outcome, client_id, took_s)))
    if mine.failure is not None:
        print(mine.failure.traceback, file=sys.stderr, end="")
    return 0 if mine.failure is None else 3


def _market(client_id: str, bot: Strategy, others: Iterable[Strategy], options: argparse.Namespace) -> Market:
    names = options.security.split(",")
    market = Market(
        Configuration(
            seed=options.seed,
            duration_s=options.duration,
            listings=tuple(Listing(security_id=name, reference_cents=REFERENCE_CENTS) for name in names),
        )
    )
    opening = Opening(shares=dict.fromkeys(names, 1_000))
    travel_us = round(options.latency_ms * 1_000)
    latency = Latency(order_us=travel_us, feed_us=travel_us)
    # All informed traders see the same value.
    value = Fundamental(seed=Random(f"{options.seed}:value").getrandbits(60), start=REFERENCE_CENTS / 100)
    for number, strategy in enumerate((bot, *others)):
        account = client_id if number == 0 else f"{type(strategy).name or type(strategy).__name__}.{number}".upper()
        market.seat(
            account,
            strategy,
            opening=opening,
            latency=latency if number == 0 else None,
            value=value if isinstance(strategy, Informed) else None,
        )
    return market


def _summary(outcome: Outcome, client_id: str, took_s: float) -> Iterable[str]:
    """Yield the lines of the summary and a table of all bots, best first."""
    mine = outcome.bots[client_id]
    shares = ", ".join(f"{quantity:,} {security_id}" for security_id, quantity in mine.shares.items())
    worth = f"{mine.equity_cents / 100:,.2f}, {_won_cents(mine, outcome) / 100:+,.2f} compared with doing nothing"
    yield f"{client_id} ends with {mine.cash_cents / 100:,.2f} dollars and {shares}, together worth {worth}."
    if mine.failure is not None:
        yield f"It was removed at {mine.failure.time_s:,.1f} s: it {mine.failure.kind}, {mine.failure.error}"
    yield ""
    yield f"{'':24}{'equity':>14}{'won':>12}{'shares':>9}{'orders':>8}{'denied':>8}{'fills':>8}{'maker':>7}"
    for bot in sorted(outcome.bots.values(), key=lambda bot: _won_cents(bot, outcome), reverse=True):
        maker = sum(fill.is_maker for fill in bot.fills) / len(bot.fills) if bot.fills else 0.0
        yield (
            f"{bot.client_id:24}{bot.equity_cents / 100:14,.2f}{_won_cents(bot, outcome) / 100:+12,.2f}"
            f"{sum(bot.shares.values()):9,}{bot.requests['orders']:8,}{_denied(bot):8,}{len(bot.fills):8,}{maker:7.0%}"
            f"{'' if bot.failure is None else '  out: ' + bot.failure.kind}"
        )
    yield ""
    last = ", ".join(f"{security_id} {cents / 100:.2f}" for security_id, cents in outcome.last_cents.items())
    yield (
        f"{outcome.duration_s / 60:g} minutes in {took_s:.1f} s: {outcome.commands:,} commands, "
        f"{outcome.trades:,} trades, last {last}; seed {outcome.seed}, log {outcome.log_hash[:16]}"
    )


def _won_cents(bot: BotOutcome, outcome: Outcome) -> int:
    """Return the equity less what the opening assets are worth now [cents]."""
    kept = sum(shares * outcome.last_cents[security_id] for security_id, shares in bot.opening_shares.items())
    return bot.equity_cents - bot.opening_cash_cents - kept


def _denied(bot: BotOutcome) -> int:
    ends = ("cancelled", "unfilled", "self_trade", "unknown_order")
    return sum(number for reason, number in bot.denials.items() if reason not in ends) + bot.refusals.total()
