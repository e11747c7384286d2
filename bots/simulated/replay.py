"""Applies a log of commands to the engine again and computes the trades and their effect on accounts.

A replay needs no bot, no clock and no order entry: the log holds all of their decisions, and the engine is a pure
function of the log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from bots.simulated.configuration import SHARD
from bots.simulated.record import HashedLines
from tasks.matching.rules.engine import Engine
from tasks.messages import TradeMade, decode_command
from tasks.order_execution.rules.changes import FeeRates
from tasks.shared.rules.fees import fee_cents, rate_ppm

_NO_FEES = FeeRates(0, 0)


class InvalidLog(Exception):
    """A line of the log is not a command; the text says which."""


@dataclass(slots=True)
class ReplayResult:
    """The outcome of a log.

    log_hash     SHA-256 of its lines, as hexadecimal digits
    trades_hash  SHA-256 of the trades, in the same form
    cash_cents   gains and losses including fees, by account [cents]
    shares       gains and losses, by account and security
    """

    commands: int = 0
    trades: int = 0
    log_hash: str = ""
    trades_hash: str = ""
    fees_cents: int = 0
    cash_cents: Counter[str] = field(default_factory=Counter)
    shares: Counter[tuple[str, str]] = field(default_factory=Counter)


def replay(lines: Iterable[bytes], fees_ppm: Mapping[str, tuple[int, int]]) -> ReplayResult:
    """Apply the commands of a log, one line of JSON each.

    fees_ppm  maker and taker fee by security, in the unit of simulated.configuration.Listing
    raises    InvalidLog  a line is not a command
    """
    engine, found = Engine(SHARD), ReplayResult()
    log, trades = HashedLines(), HashedLines()
    rates = {security_id: FeeRates(*both) for security_id, both in fees_ppm.items()}
    for number, line in enumerate(lines, start=1):
        try:
            command = decode_command(line)
        except msgspec.MsgspecError as fault:
            raise InvalidLog(f"line {number} of the log is not a command: {fault}") from None
        log.add(command)
        for event in engine.apply(number, command):
            if type(event) is TradeMade:
                trades.add(event)
                found.trades += 1
                _book(event, rates.get(event.security_id, _NO_FEES), found)
        found.commands = number
    found.log_hash, found.trades_hash = log.digest(), trades.digest()
    return found


def _book(trade: TradeMade, rates: FeeRates, found: ReplayResult) -> None:
    cash_cents = trade.quantity * trade.price_cents
    of_buyer, of_seller = (
        fee_cents(
            cash_cents, rate_ppm(side, trade.aggressor_side, maker_ppm=rates.maker_ppm, taker_ppm=rates.taker_ppm)
        )
        for side in ("buy", "sell")
    )
    found.cash_cents[trade.buyer] -= cash_cents + of_buyer
    found.cash_cents[trade.seller] += cash_cents - of_seller
    found.shares[trade.buyer, trade.security_id] += trade.quantity
    found.shares[trade.seller, trade.security_id] -= trade.quantity
    found.fees_cents += of_buyer + of_seller
