"""Computes the figures of a market from its quotes, trades and accounts: pure arithmetic."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, median, pstdev
from typing import NamedTuple


class Quote(NamedTuple):
    """The best prices of a security at a time, with their shares."""

    time_s: float
    security_id: str
    bid_cents: int | None
    bid_quantity: int
    ask_cents: int | None
    ask_quantity: int


class Trade(NamedTuple):
    """A trade as it is published."""

    time_s: float
    security_id: str
    price_cents: int
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bot:
    """A bot: its equity, the equity that it would have without trades, and its requests."""

    account: str
    held_cents: int
    equity_cents: int
    orders: int
    requests: int
    refused: int
    trades: int
    reasons: Mapping[str, int]
    lowest_cents: int | None = None

    @property
    def versus_holding(self) -> float:
        """The gain compared with holding [fraction]."""
        return self.equity_cents / self.held_cents - 1 if self.held_cents else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OfSecurity:
    """A security's figures.

    first            price of the first trade, as a fraction of the reference price
    spread           median of the spreads [dollars]
    depth            median of the shares at the best prices, bid and ask together
    two_sided        fraction of the time with a bid and an ask
    minute_move      standard deviation of the change of the mid in a minute, from the second minute on [fraction];
                     None for fewer than three minutes after the first
    farthest         largest distance of a trade from the hidden value [fraction]
    error            root mean square of the distance of trades from it [fraction]
    """

    security_id: str
    first: float
    lowest: float
    highest: float
    last: float
    trades_a_minute: float
    spread: float
    depth: float
    two_sided: float
    minute_move: float | None
    farthest: float | None
    error: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The figures of a market."""

    duration_s: float
    securities: list[OfSecurity]
    bots: list[Bot]

    @property
    def refused(self) -> float:
        """Refused orders [fraction]."""
        return sum(bot.refused for bot in self.bots) / max(sum(bot.orders for bot in self.bots), 1)


def figures(
    *,
    duration_s: float,
    references: Mapping[str, float],
    quotes: Sequence[Quote],
    trades: Sequence[Trade],
    bots: Sequence[Bot],
    value_of: Callable[[str, float], float] | None,
    firsts: Mapping[str, float | None] | None = None,
) -> Figures:
    """Compute the figures of a market.

    references  reference prices by security [dollars]
    value_of    the hidden value of a security at a time [dollars]; None if it is not known
    firsts      the price of each security's first trade [dollars]; by default of the first of `trades`
    """
    quoted: Mapping[str, list[Quote]] = defaultdict(list)
    traded: Mapping[str, list[Trade]] = defaultdict(list)
    for quote in quotes:
        quoted[quote.security_id].append(quote)
    for trade in trades:
        traded[trade.security_id].append(trade)
    return Figures(
        duration_s=duration_s,
        securities=[
            _of_security(
                name,
                ((firsts or {}).get(name) or traded[name][0].price_cents / 100) / reference,
                quoted[name],
                traded[name],
                duration_s=duration_s,
                value_of=value_of,
            )
            for name, reference in references.items()
            if traded[name]
        ],
        bots=sorted(bots, key=lambda bot: -bot.versus_holding),
    )


def _of_security(
    name: str,
    first: float,
    quotes: Sequence[Quote],
    trades: Sequence[Trade],
    *,
    duration_s: float,
    value_of: Callable[[str, float], float] | None,
) -> OfSecurity:
    sides = [(one.bid_cents, one.ask_cents, one.bid_quantity + one.ask_quantity) for one in quotes]
    both = [(bid, ask, depth) for bid, ask, depth in sides if bid is not None and ask is not None and bid < ask]
    prices = [trade.price_cents / 100 for trade in trades]
    errors = [] if value_of is None else [t.price_cents / 100 / value_of(name, t.time_s) - 1 for t in trades]
    return OfSecurity(
        security_id=name,
        first=first,
        lowest=min(prices),
        highest=max(prices),
        last=prices[-1],
        trades_a_minute=60 * len(trades) / duration_s,
        spread=median([(ask - bid) / 100 for bid, ask, _ in both]) if both else math.nan,
        depth=median([depth for _, _, depth in both]) if both else math.nan,
        two_sided=len(both) / max(len(quotes), 1),
        minute_move=_minute_move(quotes),
        farthest=max(map(abs, errors)) if errors else None,
        error=math.sqrt(mean(error**2 for error in errors)) if errors else None,
    )


def _minute_move(quotes: Sequence[Quote]) -> float | None:
    mids: dict[int, float] = {}
    for quote in quotes:
        if quote.time_s >= 60 and quote.bid_cents is not None and quote.ask_cents is not None:
            mids.setdefault(int(quote.time_s // 60), (quote.bid_cents + quote.ask_cents) / 2)
    changes = [mids[minute + 1] / mid - 1 for minute, mid in mids.items() if minute + 1 in mids]
    return pstdev(changes) if len(changes) > 1 else None


def _minute(one: OfSecurity) -> str:
    return "too short" if one.minute_move is None else f"{one.minute_move:.2%}"


def as_text(found: Figures) -> str:
    """Return two tables in Markdown: of the securities, and of the bots."""
    lines = [
        "| security | first print / reference | range | last | spread | shares at the best prices | two-sided "
        "| a minute moves it | trades a minute | from the hidden value, rms and most |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {one.security_id} | {one.first:.4f} | {one.lowest:.2f} to {one.highest:.2f} | {one.last:.2f} "
        f"| {one.spread:.2f} | {one.depth:.0f} | {one.two_sided:.1%} | {_minute(one)} "
        f"| {one.trades_a_minute:.1f} | {_error(one)} |"
        for one in found.securities
    ]
    lines += [
        "",
        "| bot | equity | versus holding | lowest equity | orders | requests | refused | trades |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {bot.account} | {bot.equity_cents / 100:,.2f} | {bot.versus_holding:+.2%} "
        f"| {'' if bot.lowest_cents is None else f'{bot.lowest_cents / 100:,.2f}'} | {bot.orders:,} "
        f"| {bot.requests:,} | {bot.refused:,} | {bot.trades:,} |"
        for bot in found.bots
    ]
    requests = sum(bot.requests for bot in found.bots)
    lines += [
        "",
        f"{found.duration_s / 60:,.0f} minutes: {requests / found.duration_s:.2f} requests a second, "
        f"{found.refused:.2%} of the orders refused.",
    ]
    return "\n".join(lines)


def _error(one: OfSecurity) -> str:
    return "" if one.error is None or one.farthest is None else f"{one.error:.2%}, {one.farthest:.2%}"
