"""Computes a bot's figures in one match from the match's result.

All bots start with shares, so a rising price lifts all of them. A bot's merit is its **gain against holding**: its
equity less the value that its opening account would have had. Over all bots and fees these gains sum to zero. Ranking,
Sharpe ratio and drawdown use this gain; equity and return are reported in addition.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt
from statistics import fmean, stdev

from msgspec import Struct

from bots.league.play.result import BotResult, Match

# The Sharpe ratio is scaled to a trading day; multiply by 15.9, the root of 252 days, for a year [s].
DAY_S = 6.5 * 3600


class Figures(Struct, frozen=True, kw_only=True):
    """A bot's figures in a match.

    gain_cents     closing equity less the closing value of the opening account [cents]
    gain           the same as a fraction of the opening equity
    total_return   closing equity over opening equity, less 1; includes the market's own move
    sharpe         mean over standard deviation of the gain between two samples, scaled to a day; None if it is constant
    drawdown       largest fall of opening equity plus gain from its previous high, as a fraction of that high
    turnover       cash of all trades over the opening equity
    maker_share    fraction of the traded shares whose order rested in the book; None without a trade
    fill_rate      fraction of the orders that traded at least in part; None without an order
    reject_rate    fraction of the orders that were refused; None without an order
    inventory      mean distance of the holdings from the opening ones, summed over all securities [shares]
    most_inventory largest of these distances
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
    """Compute a bot's figures in a match."""
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
    """Return the value of cash and shares at these prices [cents]."""
    return cash_cents + sum(number * prices[security_id] for security_id, number in shares.items())


def gains_cents(match: Match, bot: BotResult) -> list[int]:
    """Return the gain against holding at each sample [cents]."""
    curve = [sample.cash_cents - bot.opening_cash_cents for sample in bot.samples]
    for place, security_id in enumerate(match.securities):
        opening = bot.opening.get(security_id, 0)
        for at, (account, market) in enumerate(zip(bot.samples, match.market[security_id], strict=True)):
            curve[at] += (account.shares[place] - opening) * market.last_cents
    return curve


def inventory_of(match: Match, bot: BotResult) -> list[list[int]]:
    """Return at each sample, for each security, the holding less the opening holding [shares]."""
    opening = [bot.opening.get(security_id, 0) for security_id in match.securities]
    return [[now - then for now, then in zip(sample.shares, opening, strict=True)] for sample in bot.samples]


def sharpe(curve: Sequence[float], *, interval_s: float) -> float | None:
    """Return the Sharpe ratio of a curve of money, scaled to a day; None if all of its steps are equal.

    The curve is already a difference from a benchmark, holding, so no interest rate is subtracted.
    source  W. F. Sharpe, "The Sharpe Ratio", Journal of Portfolio Management 21 (1994)
    """
    steps = [later - earlier for earlier, later in pairwise(curve)]
    if len(steps) < 2 or interval_s <= 0:
        return None
    deviation = stdev(steps)
    return fmean(steps) / deviation * sqrt(DAY_S / interval_s) if deviation else None


def drawdown(curve: Sequence[float]) -> float:
    """Return the largest fall from the previous high, as a fraction of that high; 0 if the curve never falls."""
    return max(drawdowns(curve), default=0.0)


def drawdowns(curve: Sequence[float]) -> list[float]:
    """Return at each point the distance below the previous high, as a fraction of that high."""
    highest, falls = 0.0, []
    for now in curve:
        highest = max(highest, now)
        falls.append((highest - now) / highest if highest > 0 else 0.0)
    return falls


def ranks(match_figures: Sequence[Figures]) -> list[int]:
    """Return the place of each bot in a match: 1 is the best, equal gains share a place, disqualified bots are last."""
    keys = [(bot.is_disqualified, 0 if bot.is_disqualified else -bot.gain_cents) for bot in match_figures]
    return [1 + sum(other < own for other in keys) for own in keys]


def _interval_s(bot: BotResult) -> float:
    """Return the mean time between two samples [s]."""
    steps = len(bot.samples) - 1
    return (bot.samples[-1].time_s - bot.samples[0].time_s) / steps if steps > 0 else 0.0
