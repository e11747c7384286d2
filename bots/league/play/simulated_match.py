"""Plays one match of a tournament in the simulated market."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from decimal import Decimal
from functools import partial

from bots.fundamental import Fundamental
from bots.league.play.configuration import Halt, LargeSeller, Latency, League, News, ScheduledEvent
from bots.league.play.duration import written
from bots.league.play.entrants import Entrant
from bots.league.play.hidden_values import hidden_values
from bots.league.play.result import AccountSample, BotResult, Failure, Fill, MarketSample, Match, Note, PastEvent
from bots.league.sandbox.guest_player import GuestPlayer
from bots.league.sandbox.room import Room
from bots.simulated import outcome as outcome_of
from bots.simulated.configuration import Configuration, Listing, Opening
from bots.simulated.configuration import Latency as Travel
from bots.simulated.market import Market
from bots.simulated.outcome import BotOutcome, Outcome
from bots.simulated.player import clean
from bots.strategy import Strategy

# How often a match reports its progress.
_STEPS = 200


def play(
    league: League,
    seed: int,
    entrants: Sequence[Entrant],
    *,
    log: Callable[[bytes], object] | None = None,
    progress: Callable[[float], object] | None = None,
    calling: Callable[[int], object] | None = None,
    out: Mapping[str, Failure] | None = None,
) -> Match:
    """Play the match of a seed.

    log       receives the commands of the order log as lines of JSON, many at a time
    progress  receives from time to time how much has been played [s]
    calling   receives the number of a strategy, from 1, before each of its calls, and 0 when the call returns
    out       accounts that are disqualified from the start, with the reason
    """
    market = Market(_configuration(league, seed), log=log, calling=calling)
    out = dict(out or {})
    with ExitStack() as ending:
        _seat(market, league, entrants, hidden_values(league, seed), out, ending)
        return _play(market, league, entrants, progress, out)


def _seat(
    market: Market,
    league: League,
    entrants: Sequence[Entrant],
    values: Mapping[str, Fundamental],
    out: dict[str, Failure],
    ending: ExitStack,
) -> None:
    """Seat the bots; `ending` ends the processes of guests."""
    cash_cents, shares = _cents(league.opening.cash), league.opening_shares()
    room = Room()
    # All processes start before the first one is waited for.
    players: list[Strategy | GuestPlayer] = []
    for entrant in entrants:
        if entrant.is_guest and entrant.account not in out:
            player = GuestPlayer(
                entrant.target,
                entrant.file,
                entrant.options,
                room=room,
                patience_s=market.configuration.patience_s,
                printed=_print,
            )
            ending.callback(player.end)
            players.append(player)
        else:
            players.append(_made(entrant, out))
    for entrant, seated in zip(entrants, players, strict=True):
        market.seat(
            entrant.account,
            seated,
            opening=Opening(cash_cents=cash_cents, shares=shares, short_limit=entrant.short_limit),
            latency=_travel(entrant.latency),
            securities=entrant.securities,
            value=values[entrant.securities[0]] if entrant.informed else None,
        )


def _print(text: str) -> None:
    sys.stdout.write(text)


def _play(
    market: Market,
    league: League,
    entrants: Sequence[Entrant],
    progress: Callable[[float], object] | None,
    out: Mapping[str, Failure],
) -> Match:
    happened: list[PastEvent] = []
    for number, event in enumerate(league.events, start=1):
        _schedule(market, event, happened, number)
    if progress is not None:
        for step in range(1, _STEPS):
            market.schedule(league.duration * step / _STEPS, partial(_show, progress))
    outcome = market.play()
    return _match(league, outcome, entrants, sorted(happened, key=lambda event: event.time_s), out)


def _show(progress: Callable[[float], object], market: Market) -> None:
    progress(market.now_s)


def _made(entrant: Entrant, out: dict[str, Failure]) -> Strategy:
    """Make the strategy; for a bot that is disqualified, or whose constructor fails, make one that does nothing."""
    if entrant.account not in out:
        try:
            return entrant.strategy()
        except Exception as fault:  # noqa: BLE001 - any exception of a bot's code disqualifies the bot
            stack = clean("".join(traceback.format_exception(fault)))
            out[entrant.account] = Failure(
                kind="raised", time_s=0.0, error=clean(f"{type(fault).__name__}: {fault}"), traceback=stack
            )
    return Strategy()


def _cents(dollars: Decimal) -> int:
    return int(dollars * 100)


def _configuration(league: League, seed: int) -> Configuration:
    return Configuration(
        seed=seed,
        secret=league.secret,
        duration_s=league.duration,
        listings=tuple(
            Listing(
                security_id=security.id,
                reference_cents=_cents(security.price),
                maker_fee_ppm=round(security.maker_fee * 100),
                taker_fee_ppm=round(security.taker_fee * 100),
            )
            for security in league.securities
        ),
        max_requests_per_s=league.orders_a_second,
        sample_s=league.sample_every,
    )


def _travel(latency: Latency) -> Travel:
    return Travel(
        order_us=round(latency.order_ms * 1_000),
        feed_us=round(latency.feed_ms * 1_000),
        jitter_us=round(latency.jitter_ms * 1_000),
    )


# -- scheduled events --------------------------------------------------------------------------------------------------


def _schedule(market: Market, event: ScheduledEvent, happened: list[PastEvent], number: int) -> None:
    """Schedule an event and its entry in the result."""

    def note(text: str, _market: Market) -> None:
        happened.append(PastEvent(time_s=_market.now_s, security_id=event.security, text=text))

    if isinstance(event, News):
        market.schedule(event.at, partial(note, f"news {event.change:+.1%}".replace("%", " %")))
    elif isinstance(event, Halt):
        market.schedule(event.at, partial(note, f"halted for {written(event.lasts)}"))
        market.schedule(event.at, lambda market: market.halt(event.security))
        market.schedule(event.at + event.lasts, lambda market: market.resume(event.security))
    else:
        market.schedule(event.at, partial(note, f"large seller of {event.quantity:,}"))
        _sell(market, event, f"LARGE_SELLER.{number}")


def _sell(market: Market, event: LargeSeller, account: str) -> None:
    """Sell a part of the shares at a time until all are sold or the market closes."""
    market.open_account(account, Opening(cash_cents=0, shares={event.security: event.quantity}))

    def part(market: Market) -> None:
        left = market.exchange.accounts.shares[account, event.security].available
        if left:
            market.order(account, event.security, "sell", min(event.part, left))
            market.schedule(market.now_s + event.every, part)

    market.schedule(event.at, part)


# -- result ------------------------------------------------------------------------------------------------------------


def _match(
    league: League,
    outcome: Outcome,
    entrants: Sequence[Entrant],
    happened: list[PastEvent],
    out: Mapping[str, Failure],
) -> Match:
    securities = [security.id for security in league.securities]
    return Match(
        kind="simulated",
        seed=outcome.seed,
        duration_s=outcome.duration_s,
        securities=securities,
        opening={security.id: _cents(security.price) for security in league.securities},
        last={name: outcome.last_cents[name] for name in securities},
        bots=[
            _bot(entrant, outcome.bots[entrant.account], securities, out.get(entrant.account)) for entrant in entrants
        ],
        market={
            name: [_sample(sample) for sample in outcome.market if sample.security_id == name] for name in securities
        },
        happened=happened,
        commands=outcome.commands,
        trades=outcome.trades,
        fees_cents=outcome.fees_cents,
        log_hash=outcome.log_hash,
        trades_hash=outcome.trades_hash,
    )


def _sample(sample: outcome_of.MarketSample) -> MarketSample:
    return MarketSample(
        sample.time_s,
        sample.bid_cents,
        sample.bid_quantity,
        sample.ask_cents,
        sample.ask_quantity,
        sample.last_cents,
        sample.volume,
    )


def _bot(entrant: Entrant, bot: BotOutcome, securities: Sequence[str], failure: Failure | None) -> BotResult:
    return BotResult(
        name=entrant.name,
        strategy=entrant.kind,
        account=entrant.account,
        opening_cash_cents=bot.opening_cash_cents,
        opening=dict(bot.opening_shares),
        cash_cents=bot.cash_cents,
        shares={name: bot.shares.get(name, 0) for name in securities},
        orders=bot.requests["orders"] + bot.refusals.total(),
        cancels=bot.requests["cancels"] + bot.requests["mass_cancels"],
        rejected=dict(sorted((bot.rejected + bot.refusals).items())),
        closed=dict(sorted(bot.closed.items())),
        fills=[Fill(fill.time_us / 1e6, *fill[1:]) for fill in bot.fills],
        samples=[
            AccountSample(sample.time_s, sample.balance_cents, [sample.shares.get(name, 0) for name in securities])
            for sample in bot.samples
        ],
        notes=[Note(note.time_s, note.text, dict(note.fields)) for note in bot.notes],
        failure=failure
        if bot.failure is None
        else Failure(
            kind=bot.failure.kind,
            time_s=bot.failure.time_s,
            error=bot.failure.error,
            traceback=bot.failure.traceback,
        ),
        house=entrant.house,
        fund_cents=bot.fund_cents,
    )
