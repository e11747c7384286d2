"""Plays the bots of a market file against each other in simulated time, with the rules of the exchange."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path

from bench.market.figures import Bot, Figures, Quote, Trade, figures
from bots.fundamental import Fundamental
from bots.hidden_value import News, Values
from bots.roster import Crew
from bots.simulated.configuration import Configuration, Listing, Opening
from bots.simulated.market import Market
from bots.simulated.outcome import BotOutcome, Outcome
from deploy.market_file import MarketFile, read

# Reasons for which an order may end that are no refusals.
ENDS = ("cancelled", "unfilled", "unknown_order", "expired")


def play(file: Path, *, hours: float, seed: int, sample_s: float = 5.0) -> Figures:
    """Play a market from its first auction on, and return its figures."""
    described = read(file)
    crews = described.crews()
    market = Market(_configuration(described, hours=hours, seed=seed, sample_s=sample_s))
    values = described.values(seed)
    for crew, account, securities in _seats(crews):
        strategy = crew.entry.made()
        if isinstance(getattr(strategy, "fundamental", None), Fundamental):
            strategy.fundamental = values.of(securities[0])  # type: ignore[attr-defined]
        cash_cents, shares = described.opening(account, securities)
        market.seat(account, strategy, opening=Opening(cash_cents=cash_cents, shares=shares), securities=securities)
    for security in described.securities:
        market.schedule(0, partial(_open, security_id=security.id, seconds=float(described.first_auction)))
    _publish(market, values, hours)
    return _figures(market.play(), values, described)


def _configuration(described: MarketFile, *, hours: float, seed: int, sample_s: float) -> Configuration:
    return Configuration(
        seed=seed,
        duration_s=hours * 3600,
        sample_s=sample_s,
        listings=tuple(
            Listing(
                security_id=one.security_id,
                reference_cents=one.reference_cents,
                tick_cents=one.tick_cents,
                min_price_cents=one.min_price_cents,
                max_price_cents=one.max_price_cents,
                maker_fee_ppm=one.maker_fee_ppm,
                taker_fee_ppm=one.taker_fee_ppm,
                band=None if one.band_ppm is None else Fraction(one.band_ppm, 1_000_000),
            )
            for one in described.market().securities
        ),
    )


def _seats(crews: Sequence[Crew]) -> Iterator[tuple[Crew, str, tuple[str, ...]]]:
    for crew in crews:
        for seat in crew.seats:
            yield crew, seat.account, seat.securities


def _open(market: Market, *, security_id: str, seconds: float) -> None:
    market.set_phase(security_id, "auction", seconds=seconds)


def _publish(market: Market, values: Values, hours: float) -> None:
    if not values.news_every_s:
        return
    for slot in range(int(hours * 3600 / values.news_every_s) + 1):
        item = values.news(slot)
        market.schedule(item.at_s, partial(_publish_item, item=item))


def _publish_item(market: Market, *, item: News) -> None:
    market.publish_news(item.headline, security_id=item.security_id)


def _figures(outcome: Outcome, values: Values, described: MarketFile) -> Figures:
    return figures(
        duration_s=outcome.duration_s,
        references={one.security_id: one.reference_cents / 100 for one in described.market().securities},
        quotes=[
            Quote(one.time_s, one.security_id, one.bid_cents, one.bid_quantity, one.ask_cents, one.ask_quantity)
            for one in outcome.market
        ],
        trades=[Trade(one.time_us / 1e6, one.security_id, one.price_cents, one.quantity) for one in outcome.prints],
        bots=[_bot(bot, outcome) for bot in outcome.bots.values()],
        value_of=lambda security_id, at_s: values.of(security_id).value(at_s),
    )


def _bot(bot: BotOutcome, outcome: Outcome) -> Bot:
    kept = sum(shares * outcome.last_cents[name] for name, shares in bot.opening_shares.items())
    refused = sum(number for reason, number in bot.denials.items() if reason not in ENDS) + bot.refusals.total()
    return Bot(
        account=bot.client_id,
        held_cents=bot.opening_cash_cents + kept,
        equity_cents=bot.equity_cents,
        orders=bot.requests["orders"] + bot.refusals.total(),
        requests=bot.requests.total() + bot.refusals.total(),
        refused=refused,
        reasons=dict(bot.denials + bot.refusals),
        lowest_cents=min((sample.equity_cents for sample in bot.samples), default=bot.equity_cents),
        trades=len(bot.fills),
    )
