"""A market of bots on a virtual clock: their requests travel to the exchange, and reports and market data travel back.

The same configuration, seed and bots lead to the same match, on any machine and with any PYTHONHASHSEED: actions run
in the order of their due time and creation, all randomness comes from the seed, and nothing depends on the order of a
set or of hashes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from random import Random

from bots.chance import chance_of
from bots.contract import Security
from bots.fundamental import Fundamental
from bots.simulated.clock import US_PER_S, Clock
from bots.simulated.configuration import SHARD, Configuration, Latency, Opening
from bots.simulated.conservation import require_conserved
from bots.simulated.day import TradingDay
from bots.simulated.dollars import price_of
from bots.simulated.exchange import Exchange
from bots.simulated.feed import Feed
from bots.simulated.garbage import rare_collections
from bots.simulated.market_time import START_US
from bots.simulated.outcome import BotOutcome, Outcome
from bots.simulated.player import Player, StrategyPlayer, Terms
from bots.simulated.record import Record
from bots.simulated.reports import ClientReport, answer, change, is_news, legs, purchase
from bots.simulated.seat import Seat
from bots.simulated.venue import SERIES, NumberSeries
from bots.simulated.watch import Watch
from bots.strategy import Strategy
from tasks.messages import (
    Command,
    Event,
    Execution,
    Expire,
    HaltRequest,
    MassCancelRequest,
    OrderRequest,
    Phase,
    PhaseChanged,
    PlaceOrder,
    Request,
    Side,
    TradeMade,
)
from tasks.order_entry.rules.decisions import Denied, Limits
from tasks.shared.rules import securities

# Each bot starts at a random moment within this time.
SEATING_US = US_PER_S

Action = Callable[["Market"], None]


class Market:
    """A match: seat the bots, schedule events, and play.

    log      receives the commands of the order log as lines of JSON, many at a time
    calling  receives the number of a bot's seat, from 1, before each call of the bot, and 0 when the call returns

    Scheduled actions receive the market and may call `halt`, `resume`, `set_phase`, `publish_news` and `order`. The
    market does not know what a share is really worth; that is an input of informed traders (bots/fundamental.py).
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        log: Callable[[bytes], object] | None = None,
        calling: Callable[[int], object] | None = None,
    ) -> None:
        self.configuration = configuration
        self.clock = Clock()
        self.exchange = Exchange(
            configuration.listings,
            Limits(
                market_order_band=configuration.market_order_band,
                max_order_quantity=configuration.max_order_quantity,
                max_open_orders=configuration.max_open_orders,
            ),
            fund_cents=configuration.fund_cents,
        )
        self.seats: dict[str, Seat] = {}
        self._record = Record(self.exchange, START_US, log)
        self._feed = Feed(self.clock, self.exchange, conflation_us=configuration.conflation_us)
        self._numbers = NumberSeries(0)
        self._end_us = round(configuration.duration_s * US_PER_S)
        self._watch = Watch(configuration.patience_s, calling)
        band = Decimal(configuration.market_order_band.numerator) / configuration.market_order_band.denominator
        references = {one.security_id: one.reference_cents for one in configuration.listings}
        self._securities = {
            name: _contract_form(one, band, references[name]) for name, one in self.exchange.securities.items()
        }
        self._day = TradingDay(
            configuration.listings,
            clock=self.clock,
            numbers=self._numbers,
            start_us=START_US,
            execute=self._execute,
        )
        self._day.begin()
        self._is_open = True
        self._checks_margin = False

    @property
    def now_s(self) -> float:
        """Time since the start [s]."""
        return self.clock.now_us / US_PER_S

    # -- before the start --------------------------------------------------------------------------------------------

    def seat(
        self,
        client_id: str,
        strategy: Strategy | Player,
        *,
        opening: Opening | None = None,
        latency: Latency | None = None,
        securities: Sequence[str] = (),
        value: Fundamental | None = None,
    ) -> Seat:
        """Open an account and let a strategy, or the player of one, trade with it.

        securities  what it may trade, its own first; all if empty
        value       hidden value that it observes
        raises      ValueError  the account exists already, a security is not listed, or all seats are taken
        """
        opening = opening or Opening()
        number = len(self.seats) + 1
        if number >= SERIES:
            raise ValueError(f"a market has at most {SERIES - 1} seats")
        unknown = set(securities) - self.exchange.securities.keys()
        if unknown:
            raise ValueError(
                f"not listed: {', '.join(sorted(unknown))}; choose one of {', '.join(self.exchange.securities)}"
            )
        traded = list(securities or self._securities)
        self.open_account(client_id, opening)
        player = StrategyPlayer(strategy, self._watch) if isinstance(strategy, Strategy) else strategy
        self._record.bots[client_id] = BotOutcome(client_id, player.kind, opening.cash_cents, dict(opening.shares))
        chance = self.configuration.chance
        terms = Terms(
            client_id=client_id,
            number=number,
            securities=[self._securities[name] for name in traded],
            listed=[self.exchange.securities[name] for name in traded],
            cash_cents=opening.cash_cents,
            shares=dict(opening.shares),
            max_quantity=self.configuration.max_order_quantity,
            max_requests_per_s=self.configuration.max_requests_per_s,
            start_us=START_US,
            phase=chance_of(chance, f"{client_id}:phase").random(),
            informed=value is not None,
        )
        seat = self.seats[client_id] = Seat(
            player,
            terms,
            latency=latency or Latency(),
            chance=chance,
            value=value,
            end_us=self._end_us,
            clock=self.clock,
            greet=self._feed.greet,
            receive=self._receive,
            out=self._out,
        )
        if seat.failure is None:
            self._feed.listen(seat, traded)
        return seat

    def open_account(self, client_id: str, opening: Opening) -> None:
        """Open an account without a bot, for example for a scheduled seller."""
        self.exchange.open(client_id, opening.cash_cents, opening.shares, short_limit=opening.short_limit)

    def schedule(self, time_s: float, action: Action) -> None:
        """Schedule an action [s from the start]; it does not run once the market has closed."""
        self.clock.at(round(time_s * US_PER_S), partial(self._do, action))

    def _do(self, action: Action) -> None:
        if self._is_open:
            action(self)

    # -- the match ---------------------------------------------------------------------------------------------------

    def play(self) -> Outcome:
        """Let the bots trade and return the outcome; call it once.

        raises  ConservationError  cash, shares, holds or orders do not add up: a fault of the simulation
        """
        with self._watch.watching(), rare_collections():
            chance = Random(f"{self.configuration.chance}:seating")
            for seat in self.seats.values():
                if seat.failure is None:
                    self.clock.at(round(chance.random() * SEATING_US), seat.start)
            self._sample()
            self.clock.run(self._end_us)
            for seat in self.seats.values():
                seat.stop()
            self._is_open = False
            self._day.end()
            self.clock.run()  # messages under way arrive, and trades settle
        require_conserved(self.exchange)
        return self._outcome()

    def _sample(self) -> None:
        if self._is_open:
            self._record.sample(self.now_s)
            self.clock.at(self.clock.now_us + round(self.configuration.sample_s * US_PER_S), self._sample)

    def _outcome(self) -> Outcome:
        record = self._record
        record.sample(self.configuration.duration_s)
        record.finish()
        for client_id, seat in self.seats.items():
            bot = record.bots[client_id]
            bot.failure, bot.refusals, bot.notes = seat.failure, seat.refusals, seat.notes
        return Outcome(
            seed=self.configuration.seed,
            duration_s=self.configuration.duration_s,
            commands=self.exchange.command_seq,
            trades=record.trades_made,
            fees_cents=self.exchange.accounts.fees_cents,
            log_hash=record.log.digest(),
            trades_hash=record.trades.digest(),
            bots=record.bots,
            market=record.market,
            prints=record.prints,
            last_cents=dict(self.exchange.last_cents),
        )

    # -- the exchange ------------------------------------------------------------------------------------------------

    def _receive(self, _seat: Seat | None, requests: Sequence[Request]) -> None:
        """Decide requests in the order in which they were sent."""
        for request in requests:
            self._decide(request)
        self._feed.changed()

    def _decide(self, request: Request) -> None:
        decision = self.exchange.admit(request, START_US + self.clock.now_us)
        if isinstance(decision, Denied):
            self._record.requested(request, decision.reason)
            self._deliver(answer(request, decision.reason))
            return
        self._record.requested(request, None)
        if is_news(request, None):
            self._deliver(answer(request, None))
        command = decision.command
        self._execute(command)
        if type(command) is PlaceOrder and command.expires_us is not None:
            # The exchange looks once a second for orders that are due.
            due_us = -(-(command.expires_us - START_US) // US_PER_S) * US_PER_S
            self.clock.at(due_us, partial(self._expire, command.order_id))

    def _expire(self, order_id: int) -> None:
        if self._is_open and order_id in self.exchange.accounts.orders:
            self._execute(Expire(self._numbers.take(), [order_id], START_US + self.clock.now_us))
            self._feed.changed()

    def _execute(self, command: Command) -> Sequence[Event]:
        """Execute a command, settle and publish its events, and return them."""
        self._record.log.add(command)
        events = self.exchange.execute(command)
        if not events:
            return events
        self._record.happened(events)
        trades, at_once = self.exchange.split(events)
        delay_us = self.configuration.settlement_delay_us
        if trades and not delay_us:
            self._settle([*trades, *at_once])
        else:
            if at_once:
                self._settle(at_once)
            if trades:
                self.clock.at(self.clock.now_us + delay_us, partial(self._settle, trades))
        for event in events:
            if type(event) is TradeMade:
                for report in legs(event):
                    self._deliver(report)
            elif type(event) is PhaseChanged:
                self._feed.phase_changed(event)
            else:
                self._deliver(change(event))
        if trades:
            self._feed.traded(trades)
        for event in events:
            if type(event) is PhaseChanged:
                self._day.changed(event)
        return events

    def _settle(self, executions: Sequence[Execution]) -> None:
        self.exchange.settle(executions, START_US + self.clock.now_us)
        if self.exchange.lending.sellers and not self._checks_margin and self.exchange.lending.is_active:
            self._checks_margin = True
            self.clock.at((self.clock.now_us // US_PER_S + 1) * US_PER_S, self._check_margin)

    def _check_margin(self) -> None:
        """Check the margin once a second while a client owes shares, and act on buy-ins."""
        self._checks_margin = False
        if not self._is_open:
            return
        for command in self.exchange.buy_in(self._numbers.take, START_US + self.clock.now_us):
            if type(command) is PlaceOrder:
                self._deliver(purchase(command))
            self._execute(command)
        self._feed.changed()
        if self.exchange.lending.is_active and not self._checks_margin:
            self._checks_margin = True
            self.clock.at(self.clock.now_us + US_PER_S, self._check_margin)

    def _deliver(self, report: ClientReport | None) -> None:
        if report is not None and (seat := self.seats.get(report[0])) is not None:
            seat.deliver(report[1])

    def _out(self, seat: Seat) -> None:
        """Remove a disqualified bot's orders and subscriptions.

        A bot without orders leaves no trace: for the others the match is the same as with a bot that does nothing.
        """
        self._feed.leave(seat)
        if self.exchange.accounts.open_orders(seat.client_id):
            now_us = START_US + self.clock.now_us
            farewell = MassCancelRequest(self._numbers.take(), seat.client_id, SHARD, None, None, now_us)
            self._receive(seat, [farewell])

    # -- for scheduled actions ---------------------------------------------------------------------------------------

    def halt(self, security_id: str) -> None:
        """Halt the trading of a security: it accepts cancels only."""
        self._receive(None, [HaltRequest(self._numbers.take(), security_id, True, START_US + self.clock.now_us)])

    def resume(self, security_id: str) -> None:
        """Resume the trading of a security."""
        self._receive(None, [HaltRequest(self._numbers.take(), security_id, False, START_US + self.clock.now_us)])

    def set_phase(self, security_id: str, phase: Phase, *, seconds: float | None = None) -> None:
        """Change the phase of a security; with `seconds`, continuous trading follows after this time."""
        self._day.set_phase(security_id, phase, lasts_us=None if seconds is None else round(seconds * US_PER_S))

    def publish_news(self, headline: str, *, body: str | None = None, security_id: str | None = None) -> None:
        """Publish news to the bots that define on_news."""
        self._feed.publish_news(headline, body, security_id, START_US + self.clock.now_us)

    def order(
        self, client_id: str, security_id: str, side: Side, quantity: int, price_cents: int | None = None
    ) -> None:
        """Place an order for an account without a bot, at the market or at a limit; it arrives immediately."""
        self._receive(
            None,
            [
                OrderRequest(
                    self._numbers.take(),
                    client_id,
                    None,
                    security_id,
                    "market" if price_cents is None else "limit",
                    side,
                    quantity,
                    price_cents,
                    "gtc",
                    False,
                    START_US + self.clock.now_us,
                )
            ],
        )


def _contract_form(security: securities.Security, market_order_band: Decimal, reference_cents: int) -> Security:
    return Security(
        security_id=security.security_id,
        tick=price_of(security.tick_cents),
        min_price=price_of(security.min_price_cents),
        max_price=price_of(security.max_price_cents),
        maker_fee=Decimal(security.maker_fee_ppm) / 100,
        taker_fee=Decimal(security.taker_fee_ppm) / 100,
        market_order_band=market_order_band,
        reference_price=price_of(reference_cents),
    )
