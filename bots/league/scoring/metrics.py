"""How good a bot was in one match: pure arithmetic on what the match ended with.

All bots begin with shares, so a rising price lifts everybody. What a bot made of it is its **gain against holding**:
its equity less what the account would be worth if it had done nothing. Over all bots and fees these gains sum to
zero. Return and ranking are of this gain, and so are Sharpe ratio and drawdown; equity is told beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt
from statistics import fmean, stdev

from msgspec import Struct

from bots.league.play.result import BotResult, Match

# The Sharpe ratio is told for a trading day; times 15.9, the root of 252 days, for a year [s].
DAY_S = 6.5 * 3600


class Figures(Struct, frozen=True, kw_only=True):
    """A bot in a match.

    gain_cents     equity at the end less what holding on to the opening account would be worth [cents]
    gain           the same as a fraction of the opening equity
    total_return   equity at the end over equity at the start, less 1; the market's rise is in it
    sharpe         mean over deviation of the gain between two samples, scaled to a day; None where it never changes
    drawdown       largest fall of opening equity plus gain from its highest point before, as a fraction of that
    turnover       cash of all trades over the opening equity
    maker_share    part of the traded shares that it had resting; None without a trade
    fill_rate      part of the orders that traded, at least in part; None without an order
    reject_rate    part of the orders that were refused; None without an order
    inventory      mean over the samples of how far the holdings were from where they began, all securities [shares]
    most_inventory the largest of these
    """

    name: str
    cash_cents: int
    shares: dict[str, int]
    equity_cents: int
    gain_cents: int
    gain: float
    total_return: float
    sharpe: float | None
    drawdown: float
    turnover: float
    maker_share: float | None
    trades: int
    orders: int
    fill_rate: float | None
    reject_rate: float | None
    inventory: float
    most_inventory: int
    fees_cents: int
    is_disqualified: bool


def figures(match: Match, bot: BotResult) -> Figures:
    """What there is to say of a bot in a match."""
    opening_equity = worth(bot.opening_cash_cents, bot.opening, match.opening)
    equity = worth(bot.cash_cents, bot.shares, match.last)
    gain_cents = equity - worth(bot.opening_cash_cents, bot.opening, match.last)
    curve = gains_cents(match, bot)
    traded = sum(fill.quantity for fill in bot.fills)
    rejected = sum(bot.rejected.values())
    inventory = [sum(abs(change) for change in changes) for changes in inventory_of(match, bot)]
    return Figures(
        name=bot.name,
        cash_cents=bot.cash_cents,
        shares=bot.shares,
        equity_cents=equity,
        gain_cents=gain_cents,
        gain=gain_cents / opening_equity if opening_equity else 0.0,
        total_return=equity / opening_equity - 1 if opening_equity else 0.0,
        sharpe=sharpe(curve, interval_s=_interval_s(bot)),
        drawdown=drawdown([opening_equity + gain for gain in curve]),
        turnover=sum(fill.quantity * fill.price_cents for fill in bot.fills) / opening_equity
        if opening_equity
        else 0.0,
        maker_share=sum(fill.quantity for fill in bot.fills if fill.is_maker) / traded if traded else None,
        trades=len(bot.fills),
        orders=bot.orders,
        fill_rate=len({fill.order_id for fill in bot.fills}) / bot.orders if bot.orders else None,
        reject_rate=rejected / bot.orders if bot.orders else None,
        inventory=fmean(inventory) if inventory else 0.0,
        most_inventory=max(inventory, default=0),
        fees_cents=sum(fill.fee_cents for fill in bot.fills),
        is_disqualified=bot.failure is not None,
    )


def worth(cash_cents: int, shares: dict[str, int], prices: dict[str, int]) -> int:
    """Cash and shares at these prices [cents]."""
    return cash_cents + sum(number * prices[security_id] for security_id, number in shares.items())


def gains_cents(match: Match, bot: BotResult) -> list[int]:
    """The gain against holding at each sample [cents]."""
    curve = [sample.cash_cents - bot.opening_cash_cents for sample in bot.samples]
    for place, security_id in enumerate(match.securities):
        opening = bot.opening.get(security_id, 0)
        for at, (account, market) in enumerate(zip(bot.samples, match.market[security_id], strict=True)):
            curve[at] += (account.shares[place] - opening) * market.last_cents
    return curve


def equities_cents(match: Match, bot: BotResult) -> list[int]:
    """What the account was worth at each sample, shares at their last price [cents]."""
    curve = [sample.cash_cents for sample in bot.samples]
    for place, security_id in enumerate(match.securities):
        for at, (account, market) in enumerate(zip(bot.samples, match.market[security_id], strict=True)):
            curve[at] += account.shares[place] * market.last_cents
    return curve


def inventory_of(match: Match, bot: BotResult) -> list[list[int]]:
    """At each sample, for each security, how far the holding was from where it began [shares]."""
    opening = [bot.opening.get(security_id, 0) for security_id in match.securities]
    return [[now - then for now, then in zip(sample.shares, opening, strict=True)] for sample in bot.samples]


def sharpe(curve: Sequence[float], *, interval_s: float) -> float | None:
    """Sharpe ratio of a curve of money, for a day; None where its steps do not differ.

    The curve is a difference to a benchmark already, doing nothing, so no rate is taken off.
    source  W. F. Sharpe, "The Sharpe Ratio", Journal of Portfolio Management 21 (1994)
    """
    steps = [later - earlier for earlier, later in pairwise(curve)]
    if len(steps) < 2 or interval_s <= 0:
        return None
    deviation = stdev(steps)
    return fmean(steps) / deviation * sqrt(DAY_S / interval_s) if deviation else None


def drawdown(curve: Sequence[float]) -> float:
    """The largest fall from the highest point before, as a fraction of that; 0 of a curve that never falls."""
    return max(drawdowns(curve), default=0.0)


def drawdowns(curve: Sequence[float]) -> list[float]:
    """At each point, how far below the highest point before, as a fraction of that."""
    highest, falls = 0.0, []
    for now in curve:
        highest = max(highest, now)
        falls.append((highest - now) / highest if highest > 0 else 0.0)
    return falls


def ranks(match_figures: Sequence[Figures]) -> list[int]:
    """The place of each bot in a match, 1 the best, equals at the same place; who was disqualified comes last."""
    keys = [(bot.is_disqualified, 0 if bot.is_disqualified else -bot.gain_cents) for bot in match_figures]
    return [1 + sum(other < own for other in keys) for own in keys]


def _interval_s(bot: BotResult) -> float:
    """The mean time between two samples [s]."""
    steps = len(bot.samples) - 1
    return (bot.samples[-1].time_s - bot.samples[0].time_s) / steps if steps > 0 else 0.0
