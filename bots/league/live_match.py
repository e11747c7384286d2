"""Plays one match of a tournament on the running exchange: bots in processes of their own, which trade over HTTP."""

from __future__ import annotations

import hashlib
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path

import msgspec

from bots.client import Client
from bots.contract import MarketOrder, OrderState, SettledFill, Trade
from bots.errors import ExchangeError
from bots.league.configuration import Halt, Happening, LargeSeller, League, News
from bots.league.duration import written
from bots.league.entrants import Entrant
from bots.league.live_exchange import LiveExchange, Opened, cents, shares_of, time_of
from bots.league.live_seat import LiveSeat
from bots.league.result import AccountSample, BotResult, Fill, Happened, MarketSample, Match
from bots.working_order import ENDS

# How long the processes of the bots have to get ready [s].
READY_S = 60.0
LOOK_EVERY_S = 0.2
PROGRESS_EVERY_S = 1.0


def configured(league: League, opening_cents: Mapping[str, int]) -> League:
    """The tournament as it is played live: its duration, what happens within it, and the prices as they are now."""
    securities = tuple(
        security.model_copy(update={"price": Decimal(opening_cents[security.id]) / 100})
        for security in league.securities
    )
    return league.model_copy(
        update={
            "duration": league.live.duration,
            "sample_every": league.live.sample_every,
            "securities": securities,
            "events": tuple(event for event in league.events if event.at < league.live.duration),
        }
    )


def play(
    league: League,
    seed: int,
    entrants: Sequence[Entrant],
    exchange: LiveExchange,
    folder: Path,
    *,
    tape: Callable[[bytes], object],
    progress: Callable[[float], object],
) -> Match:
    """Play the match of a seed.

    folder    where the processes of the bots write
    tape      takes the trades of the match as the exchange has told everybody of them, a line of JSON each
    progress  is told now and then how much has been played [s]
    raises    ConfigurationError  others are in the market
              ExchangeError       the exchange is away, or refuses the admin's key
              TimeoutError        what was traded did not settle
    """
    exchange.require(league)
    opening_cents = exchange.opening_cents(league)
    match = _Live(configured(league, opening_cents), seed, exchange, opening_cents)
    try:
        match.seat(entrants, folder)
        match.trade(progress)
        exchange.settle()
        return match.result(tape)
    finally:
        match.end()


@dataclass
class _Live:
    """A live match under way."""

    league: League
    seed: int
    exchange: LiveExchange
    opening_cents: Mapping[str, int]
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    began_s: float = 0.0
    seats: list[LiveSeat] = field(default_factory=list)
    opened: list[Opened] = field(default_factory=list)
    happened: list[Happened] = field(default_factory=list)
    halted: set[str] = field(default_factory=set)
    samples: list[list[AccountSample]] = field(default_factory=list)
    market: dict[str, list[MarketSample]] = field(default_factory=dict)
    agenda: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)

    @property
    def securities(self) -> list[str]:
        """In the order of the configuration."""
        return [security.id for security in self.league.securities]

    @property
    def now_s(self) -> float:
        """Time since the start [s]."""
        return time.monotonic() - self.began_s

    # -- before ------------------------------------------------------------------------------------------------------

    def seat(self, entrants: Sequence[Entrant], folder: Path) -> None:
        """Open the accounts, start the processes, and wait until all are ready."""
        folder.mkdir(parents=True, exist_ok=True)
        for entrant in entrants:
            opened = self.exchange.open(
                self.seed, entrant.account, cash=self.league.opening.cash, shares=self.league.opening_shares()
            )
            self.opened.append(opened)
            self.seats.append(LiveSeat(entrant, opened.client_id, opened.key, folder / entrant.account))
            self.seats[-1].start(self.league, self.seed, self.exchange.url)
        for number, event in enumerate(self.league.events, start=1):
            self._schedule(event, number)
        deadline_s = time.monotonic() + READY_S
        while not all(seat.is_ready for seat in self.seats) and time.monotonic() < deadline_s:
            time.sleep(LOOK_EVERY_S)

    def _at(self, time_s: float, action: Callable[[], None]) -> None:
        self.agenda.append((time_s, len(self.agenda), action))
        self.agenda.sort(key=lambda due: due[:2])

    def _schedule(self, event: Happening, number: int) -> None:
        if isinstance(event, News):
            # The traders who know a value know of its news: they have the same configuration.
            self._at(event.at, partial(self._note, event, f"news {event.change:+.1%}".replace("%", " %")))
        elif isinstance(event, Halt):
            self._at(event.at, partial(self._halt, event))
            self._at(event.at + event.lasts, partial(self._resume, event.security))
        else:
            shares = {event.security: event.quantity}
            opened = self.exchange.open(self.seed, f"LARGE_SELLER.{number}", cash=Decimal(0), shares=shares)
            self._at(event.at, partial(self._note, event, f"large seller of {event.quantity:,}"))
            self._at(event.at, partial(self._sell, event, opened))

    # -- what is scheduled -------------------------------------------------------------------------------------------

    def _note(self, event: Happening, text: str) -> None:
        self.happened.append(Happened(time_s=round(self.now_s, 3), security_id=event.security, text=text))

    def _halt(self, event: Halt) -> None:
        self.exchange.admin.halt(event.security)
        self.halted.add(event.security)
        self._note(event, f"halted for {written(event.lasts)}")

    def _resume(self, security_id: str) -> None:
        self.exchange.admin.resume(security_id)
        self.halted.discard(security_id)

    def _sell(self, event: LargeSeller, opened: Opened) -> None:
        """A part of the shares at the market, and the next one later, until all are sold."""
        client = Client(self.exchange.url, opened.key)
        left = client.holding(event.security, opened.client_id).available
        if left:
            client.place(MarketOrder(security_id=event.security, side="sell", quantity=min(event.part, left)))
            self._at(self.now_s + event.every, partial(self._sell, event, opened))

    # -- during ------------------------------------------------------------------------------------------------------

    def trade(self, progress: Callable[[float], object]) -> None:
        """Let the bots trade for the duration of the match."""
        self.samples = [[] for _ in self.seats]
        self.market = {name: [] for name in self.securities}
        self.began, self.began_s = datetime.now(UTC), time.monotonic()
        for seat in self.seats:
            seat.go()
        sample_due_s = progress_due_s = 0.0
        while (now_s := self.now_s) < self.league.duration:
            if now_s >= sample_due_s:
                self._sample(now_s)
                sample_due_s = max(sample_due_s + self.league.sample_every, now_s)
            while self.agenda and self.agenda[0][0] <= now_s:
                self.agenda.pop(0)[2]()
            self._look_after(now_s)
            if now_s >= progress_due_s:
                progress(now_s)
                progress_due_s = now_s + PROGRESS_EVERY_S
            time.sleep(max(min(LOOK_EVERY_S, self.league.duration - self.now_s), 0))
        for seat in self.seats:
            seat.tell_to_stop()
        for seat in self.seats:
            seat.stopped(self.league.duration)
        for security_id in sorted(self.halted):
            self._resume(security_id)

    def _look_after(self, now_s: float) -> None:
        for seat in self.seats:
            if seat.look(now_s):
                self.exchange.put_out(seat.client_id)

    def _sample(self, now_s: float) -> None:
        time_s = round(now_s, 3)
        for samples, opened in zip(self.samples, self.opened, strict=True):
            samples.append(self.exchange.account_sample(opened.client_id, time_s, self.securities))
        for security_id, of_market in self.market.items():
            sample = self.exchange.market_sample(security_id, time_s)
            of_market.append(sample if sample.last_cents else _priced(sample, self.opening_cents[security_id]))

    # -- after -------------------------------------------------------------------------------------------------------

    def result(self, tape: Callable[[bytes], object]) -> Match:
        """What everybody has done and has, when all is settled."""
        self._sample(self.league.duration)
        trades = sorted(
            (
                (trade, security_id)
                for security_id in self.securities
                for trade in self.exchange.trades_since(security_id, self.began)
            ),
            key=lambda one: (one[0].timestamp or "", one[0].trade_id),
        )
        numbers = {trade.trade_id: number for number, (trade, _) in enumerate(trades, start=1)}
        sides = {trade.trade_id: trade.aggressor_side for trade, _ in trades}
        lines = [tape_line(trade, security_id) for trade, security_id in trades]
        tape(b"".join(lines))
        bots = [
            self._bot(seat, opened, samples, numbers, sides)
            for seat, opened, samples in zip(self.seats, self.opened, self.samples, strict=True)
        ]
        return Match(
            kind="live",
            seed=self.seed,
            duration_s=self.league.duration,
            securities=self.securities,
            opening=dict(self.opening_cents),
            last={name: samples[-1].last_cents for name, samples in self.market.items()},
            bots=bots,
            market={name: self._with_volumes(name, samples, trades) for name, samples in self.market.items()},
            happened=self.happened,
            commands=0,
            trades=len(trades),
            fees_cents=sum(fill.fee_cents for bot in bots for fill in bot.fills),
            log_hash="",
            trades_hash=hashlib.sha256(b"".join(lines)).hexdigest(),
        )

    def _bot(
        self,
        seat: LiveSeat,
        opened: Opened,
        samples: list[AccountSample],
        numbers: Mapping[str, int],
        sides: Mapping[str, str],
    ) -> BotResult:
        orders, fills = self.exchange.orders_and_fills(opened)
        account = self.exchange.admin.account(opened.client_id)
        rejected, closed = _reasons(orders)
        rejected.update(seat.refusals)
        return BotResult(
            name=seat.entrant.name,
            strategy=seat.entrant.kind,
            account=seat.entrant.account,
            opening_cash_cents=cents(self.league.opening.cash),
            opening=self.league.opening_shares(),
            cash_cents=cents(account.balance),
            shares=shares_of(account, self.securities),
            orders=len(orders) + sum(seat.refusals.values()),
            cancels=closed["cancelled"],
            rejected=dict(sorted(rejected.items())),
            closed=dict(sorted(closed.items())),
            fills=[self._fill(fill, numbers, sides) for fill in fills],
            samples=samples,
            failure=seat.failure,
        )

    def _fill(self, fill: SettledFill, numbers: Mapping[str, int], sides: Mapping[str, str]) -> Fill:
        return Fill(
            self._time_s(fill.timestamp),
            fill.security_id,
            fill.order_id,
            fill.side,
            fill.quantity,
            cents(fill.price),
            sides.get(fill.trade_id) != fill.side,
            cents(fill.fee),
            numbers.get(fill.trade_id, 0),
        )

    def _time_s(self, timestamp: str | None) -> float:
        if timestamp is None:
            return self.league.duration
        since_s = (time_of(timestamp) - self.began).total_seconds()
        return round(min(max(since_s, 0.0), self.league.duration), 6)

    def _with_volumes(
        self, security_id: str, samples: list[MarketSample], trades: Sequence[tuple[Trade, str]]
    ) -> list[MarketSample]:
        """Samples with the shares that were traded until then."""
        times, totals, total = [], [0], 0
        for trade, traded in trades:
            if traded == security_id:
                total += trade.quantity
                times.append(self._time_s(trade.timestamp))
                totals.append(total)
        return [
            msgspec.structs.replace(sample, volume=totals[bisect_right(times, sample.time_s)]) for sample in samples
        ]

    def end(self) -> None:
        """Whatever has happened: no process stays, nothing is halted, and the accounts are closed."""
        for seat in self.seats:
            seat.kill()
        try:
            for security_id in sorted(self.halted):
                self.exchange.admin.resume(security_id)
            self.exchange.close()
        except ExchangeError as fault:
            print(f"the accounts of the match could not be closed: {fault}")


def tape_line(trade: Trade, security_id: str) -> bytes:
    """A trade as everybody was told of it."""
    told = {
        "trade_id": trade.trade_id,
        "security_id": security_id,
        "price": str(trade.price),
        "quantity": trade.quantity,
        "aggressor_side": trade.aggressor_side,
        "sequence": trade.sequence,
        "timestamp": trade.timestamp,
    }
    return msgspec.json.encode(told) + b"\n"


def _priced(sample: MarketSample, last_cents: int) -> MarketSample:
    return msgspec.structs.replace(sample, last_cents=last_cents)


def _reasons(orders: Sequence[OrderState]) -> tuple[Counter[str], Counter[str]]:
    """Why orders were never in the market, and why those ended that were."""
    rejected, closed = Counter[str](), Counter[str]()
    for order in orders:
        if order.status in {"rejected", "cancelled"}:
            was_in = order.status == "cancelled" and (order.filled_quantity or order.reason in ENDS)
            (closed if was_in else rejected)[order.reason or order.status] += 1
    return rejected, closed
