"""Makes the scoreboard of a tournament: all bots' figures over all matches, ordered by gain."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from statistics import fmean

from msgspec import Struct

from bots.league.play.result import Match
from bots.league.scoring.metrics import Figures, figures, ranks
from bots.league.scoring.rating import Rating, rate
from bots.league.scoring.statistics import Comparison, Estimate, compare, estimate


class Standing(Struct, frozen=True, kw_only=True):
    """A bot's figures over all matches; means unless the name says otherwise.

    place         1 is the best; equal gains share a place; a bot with more disqualifications comes later
    gain_cents    gain against holding, with its interval
    wins          number of matches in which it came first
    disqualified  number of matches in which it was disqualified
    matches       its figures in each match
    """

    place: int
    name: str
    strategy: str
    gain_cents: Estimate
    gain: float
    wins: int
    disqualified: int
    rating: Rating
    matches: list[Figures]

    def mean(self, figure: str) -> float | None:
        """Return the mean of a figure over the matches in which it is not None."""
        known = [value for match in self.matches if (value := getattr(match, figure)) is not None]
        return fmean(known) if known else None

    def mean_shares(self, security_id: str) -> float:
        """Return the mean closing holding of a security [shares]."""
        return fmean(match.shares.get(security_id, 0) for match in self.matches)


class HouseTrader(Struct, frozen=True):
    """A house trader and its gain [cents]; it is part of the market and not of the competition."""

    name: str
    strategy: str
    gain_cents: Estimate


class Scoreboard(Struct, frozen=True):
    """The standings of the entrants, best first, and the house traders.

    better  how certain it is that the row's bot is better than the column's, in the order of the standings; None where
            there are too few matches to say
    """

    standings: list[Standing]
    better: list[list[float | None]]
    house: list[HouseTrader] = []


def scoreboard(matches: Sequence[Match]) -> Scoreboard:
    """Rank the bots; every match has the same bots in the same order."""
    entered = [bot for bot in matches[0].bots if not bot.house]
    names = [bot.name for bot in entered]
    played = [[figures(match, bot) for bot in match.bots if not bot.house] for match in matches]
    places = [ranks(match) for match in played]
    ratings = rate(places)
    comparison = compare([[match[at].gain_cents for match in played] for at in range(len(names))])
    disqualified = [sum(match[at].is_disqualified for match in played) for at in range(len(names))]
    order = sorted(range(len(names)), key=lambda at: (disqualified[at], -comparison.estimates[at].mean, at))
    # The next place counts all bots before it.
    places_of: dict[tuple[int, float], int] = {}
    for place, at in enumerate(order, start=1):
        places_of.setdefault((disqualified[at], comparison.estimates[at].mean), place)
    standings = [
        Standing(
            place=places_of[disqualified[at], comparison.estimates[at].mean],
            name=names[at],
            strategy=entered[at].strategy,
            gain_cents=comparison.estimates[at],
            gain=fmean(match[at].gain for match in played),
            wins=sum(match[at] == 1 for match in places),
            disqualified=disqualified[at],
            rating=ratings[at],
            matches=[match[at] for match in played],
        )
        for at in order
    ]
    return Scoreboard(standings, _reordered(comparison, order), _house(matches))


def _house(matches: Sequence[Match]) -> list[HouseTrader]:
    """Return the house traders in their own order."""
    traders = []
    for at, bot in enumerate(matches[0].bots):
        if bot.house:
            gains = [figures(match, match.bots[at]).gain_cents for match in matches]
            traders.append(HouseTrader(bot.name, bot.strategy, estimate(gains)))
    return traders


def _reordered(comparison: Comparison, order: Sequence[int]) -> list[list[float | None]]:
    return [[comparison.better[row][column] for column in order] for row in order]


def as_csv(board: Scoreboard, securities: Sequence[str]) -> str:
    """Write the scoreboard as CSV: dollars, fractions and shares, one row for each bot."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        [
            *("place", "bot", "strategy", "matches", "wins", "disqualified", "balance"),
            *(f"shares_{security_id}" for security_id in securities),
            *("equity", "return", "gain", "gain_low", "gain_high", "gain_share", "sharpe_day", "max_drawdown"),
            *("turnover", "maker_share", "trades", "orders", "fill_rate", "reject_rate", "inventory"),
            *("most_inventory", "fees", "rating_mu", "rating_sigma"),
        ]
    )
    for bot in board.standings:
        writer.writerow(
            [
                *(bot.place, bot.name, bot.strategy, len(bot.matches), bot.wins, bot.disqualified),
                _dollars(bot.mean("cash_cents")),
                *(f"{bot.mean_shares(security_id):.1f}" for security_id in securities),
                _dollars(bot.mean("equity_cents")),
                _number(bot.mean("total_return")),
                *(_dollars(bot.gain_cents.mean), _dollars(bot.gain_cents.low), _dollars(bot.gain_cents.high)),
                *(_number(bot.gain), _number(bot.mean("sharpe")), _number(bot.mean("drawdown"))),
                *(_number(bot.mean("turnover")), _number(bot.mean("maker_share"))),
                *(_number(bot.mean("trades")), _number(bot.mean("orders"))),
                *(_number(bot.mean("fill_rate")), _number(bot.mean("reject_rate"))),
                *(_number(bot.mean("inventory")), max(match.most_inventory for match in bot.matches)),
                _dollars(bot.mean("fees_cents")),
                *(_number(bot.rating.mu), _number(bot.rating.sigma)),
            ]
        )
    return out.getvalue()


def hash_of(table: str) -> str:
    """Return the SHA-256 of a scoreboard in CSV, as hexadecimal digits."""
    return hashlib.sha256(table.encode()).hexdigest()


def _dollars(cents: float | None) -> str:
    return "" if cents is None else f"{cents / 100:.2f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
