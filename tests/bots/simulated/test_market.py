"""Matches: delivery of events, isolation of failing bots, and reproducibility from the seed."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from bots.contract import Book, Price, Trade
from bots.errors import Problem
from bots.simulated.configuration import Latency, Listing, Opening
from bots.simulated.outcome import Outcome
from bots.simulated.player import StrategyPlayer
from bots.simulated.watch import Watch
from bots.strategies import STRATEGIES
from bots.strategy import Strategy
from bots.working_order import Fill
from tests.bots.simulated.markets import AT_ONCE, RICH, Listener, Scripted, market

AAPL = Listing(security_id="AAPL", reference_cents=5_000)
MSFT = Listing(security_id="MSFT")


def buy(quantity: int, price: float | None = None, **terms: Any) -> Callable[[Strategy], object]:
    return lambda strategy: strategy.buy(quantity, price, **terms)


def sell(quantity: int, price: float | None = None, **terms: Any) -> Callable[[Strategy], object]:
    return lambda strategy: strategy.sell(quantity, price, **terms)


# -- trading --------------------------------------------------------------------------------------------------------


def test_a_trade_is_reported_to_both_sides() -> None:
    ours = market()
    ann, bob = Scripted([(2, buy(10, 100.5))]), Listener([(4, sell(4, 100.0)), (6, sell(9, 100.5))])
    ours.seat("ANN", ann, latency=AT_ONCE)
    ours.seat("BOB", bob, latency=AT_ONCE)
    outcome = ours.play()
    assert ann.received(tuple) == [("new", None), ("filled", None)]
    assert [(fill.quantity, fill.price) for fill in ann.received(Fill)] == [
        (4, Decimal("100.50")),
        (6, Decimal("100.50")),
    ]
    assert [(trade.quantity, trade.aggressor_side) for trade in bob.received(Trade)] == [(4, "sell"), (6, "sell")]
    assert (outcome.trades, outcome.last_cents) == (2, {"MSFT": 10_050})
    assert outcome.bots["ANN"].cash_cents == 1_000_000 - 10 * 10_050
    assert outcome.bots["BOB"].shares == {"MSFT": 990}
    assert [fill.is_maker for fill in outcome.bots["ANN"].fills] == [True, True]
    assert outcome.bots["BOB"].open_orders == 1


def test_a_session_agrees_with_the_exchange() -> None:
    ours = market(duration_s=1200.0, listings=(MSFT, AAPL))
    bots = [STRATEGIES[name]() for name in ("random_walk", "gauss", "flood", "retail", "market_maker", "uniform")]
    for number, bot in enumerate(bots):
        ours.seat(f"BOT{number}", bot, opening=RICH)
    known: dict[str, tuple[Any, ...]] = {}
    # A strategy knows all that has reached it by the time of each of its callbacks, such as the last one.
    for number, bot in enumerate(bots):
        bot.on_stop = lambda number=number, bot=bot: known.update(  # type: ignore[misc]
            {f"BOT{number}": (bot.position(), bot.position("AAPL"), bot.cash, len(bot.open_orders))}
        )
    outcome = ours.play()
    assert outcome.trades > 100
    for client_id, (msft, aapl, cash, _) in known.items():
        bot = outcome.bots[client_id]
        assert (msft, aapl) == (bot.shares["MSFT"], bot.shares["AAPL"]), client_id
        assert cash <= Decimal(bot.cash_cents) / 100


def test_the_venue_refuses_like_the_api_and_the_strategy_goes_on() -> None:
    codes: list[str] = []

    def refused(act: Callable[[Strategy], object]) -> Callable[[Strategy], None]:
        def attempt(strategy: Strategy) -> None:
            with pytest.raises(Problem) as problem:
                act(strategy)
            codes.append(problem.value.code)

        return attempt

    ours = market()
    bot = Scripted(
        [
            (2, refused(buy(0, 100.0))),
            (2, refused(buy(1.5, 100.0))),  # type: ignore[arg-type]
            (2, refused(buy(2_000_000, 100.0))),
            (2, refused(buy(5, None, time_in_force="gtc"))),
            (2, refused(buy(5, 100.0, display_quantity=5))),
            (2, refused(lambda strategy: strategy.session._venue.cancel("NONE", 1))),
            (3, buy(0, 100.0)),
            (4, buy(1, 99.0)),
        ]
    )
    ours.seat("ANN", bot, latency=AT_ONCE)
    outcome = ours.play()
    assert codes == ["validation_error"] * 4 + ["contradictory_terms", "unknown_security"]
    assert outcome.bots["ANN"].failure is None
    assert outcome.bots["ANN"].refusals == {"validation_error": 1}
    assert outcome.bots["ANN"].requests == {"orders": 1}
    assert bot.received(tuple) == [("new", None)]


def test_denials_of_order_entry_and_engine_are_reported() -> None:
    ours = market()
    bot = Scripted(
        [
            (2, buy(1_000, 100.0)),
            (3, buy(10, 100.0)),
            (4, sell(10, 101.0)),
            (5, sell(1, 100.0, post_only=True)),
            (6, buy(1, 100.5, time_in_force="fok")),
            (7, lambda strategy: strategy.replace(next(iter(strategy.open_orders)), quantity=5)),
            (8, lambda strategy: strategy.cancel_all()),
        ]
    )
    ours.seat("ANN", bot, latency=AT_ONCE)
    outcome = ours.play()
    assert bot.received(tuple) == [
        ("rejected", "insufficient_funds"),
        ("new", None),
        ("new", None),
        ("new", None),
        ("rejected", "would_cross"),
        ("new", None),
        ("cancelled", "unfilled"),
        ("new", "replaced"),
        ("cancelled", "cancelled"),
        ("cancelled", "cancelled"),
    ]
    assert outcome.bots["ANN"].held_cents == 0


def test_the_taker_pays_fees_and_the_maker_receives_a_rebate() -> None:
    ours = market(listings=(Listing(security_id="MSFT", maker_fee_ppm=-1_000, taker_fee_ppm=3_000),))
    ours.seat("ANN", Scripted([(2, buy(10, 100.0))]))
    ours.seat("BOB", Scripted([(4, sell(10, 100.0))]))
    outcome = ours.play()
    assert outcome.bots["ANN"].cash_cents == 1_000_000 - 100_000 + 100
    assert outcome.bots["BOB"].cash_cents == 1_000_000 + 100_000 - 300
    assert (outcome.fees_cents, outcome.bots["ANN"].fills[0].fee_cents) == (200, -100)


def test_proceeds_cannot_be_used_before_settlement() -> None:
    def play(settlement_delay_us: int) -> list[Any]:
        ours = market(settlement_delay_us=settlement_delay_us)
        bob = Scripted([(4, sell(100, 100.0)), (6, buy(1, 90.0))])
        ours.seat("ANN", Scripted([(2, buy(100, 100.0))]))
        ours.seat("BOB", bob, opening=Opening(cash_cents=0, shares={"MSFT": 100}))
        ours.play()
        return [received for received in bob.received(tuple) if received[0] in ("new", "rejected")]

    assert play(0) == [("new", None), ("new", None)]
    assert play(10_000_000) == [("new", None), ("rejected", "insufficient_funds")]


# -- time -----------------------------------------------------------------------------------------------------------


@dataclass
class Sniper(Strategy):
    """Buys the first offer that it sees."""

    bought: list[float] = field(default_factory=list)

    def on_price(self, price: Price) -> None:
        if price.ask is not None and not self.open_orders and not self.bought:
            self.buy(10, price.ask, time_in_force="ioc")

    def on_fill(self, fill: Fill) -> None:
        self.bought.append(self.now)


@pytest.mark.parametrize("fast", ["ANN", "BOB"])
def test_the_bot_with_less_latency_is_first(fast: str) -> None:
    ours = market()
    snipers = {name: Sniper() for name in ("ANN", "BOB")}
    for name, sniper in snipers.items():
        travel_us = 1_000 if name == fast else 5_000
        ours.seat(name, sniper, latency=Latency(order_us=travel_us, feed_us=travel_us, jitter_us=0))
    ours.seat("CID", Scripted([(5, sell(10, 100.0))]))
    ours.play()
    assert [name for name, sniper in snipers.items() if sniper.bought] == [fast]


def test_messages_are_delayed_and_none_overtakes_another() -> None:
    ours = market()
    bot = Listener([(n, buy(1, 90.0 + n / 100)) for n in range(2, 50)])
    ours.seat("ANN", bot, latency=Latency(order_us=20_000, feed_us=30_000, jitter_us=400_000))
    ours.play()
    confirmed = [now for now, what in bot.heard if what == ("new", None)]
    assert len(confirmed) == 48
    assert [now for now, _ in bot.heard] == sorted(now for now, _ in bot.heard)
    sequences = [book.sequence for book in bot.received(Book)]
    assert sequences == sorted(sequences)
    assert bot.received(Price)[-1].bid == Decimal("90.49")


def test_prices_are_conflated_to_the_newest_state() -> None:
    def bids(conflation_us: int) -> list[Price]:
        ours = market(conflation_us=conflation_us)
        listener = Listener()
        ours.seat("ANN", listener, latency=AT_ONCE)
        ours.seat("BOB", Scripted([(n, buy(1, 90.0 + n / 100)) for n in range(2, 40)]), latency=AT_ONCE)
        ours.play()
        return [price.bid for price in listener.received(Price)]

    every_one, some = bids(0), bids(10_000_000)
    assert len(every_one) == 39  # with the one before there was any
    assert 3 < len(some) < 8
    assert every_one[-1] == some[-1] == Decimal("90.39")


@dataclass
class Reader(Scripted):
    """Reads prices and the book at each tick, and defines no callback for them."""

    watches = frozenset({"price", "book"})

    def on_timer(self, now: float) -> None:
        self.heard.append((now, (self.price(), self.book())))

    def interval_s(self) -> float:
        return 7.5


class CountingPlayer(StrategyPlayer):
    """Counts the events that it is given, by type."""

    def __init__(self, strategy: Strategy) -> None:
        super().__init__(strategy, Watch(3.0))
        self.given: Counter[type] = Counter()

    def wake(self, now_us: int, until_us: int, events: Any, value: float | None) -> None:
        self.given.update(type(event) for _, event in events)
        super().wake(now_us, until_us, events, value)


def test_a_bot_without_a_callback_gets_only_the_newest_of_the_states_before_its_next_tick() -> None:
    ours = market(conflation_us=0)
    listener, reader = Listener(), Reader()
    players = [CountingPlayer(strategy) for strategy in (listener, reader)]
    for name, player in zip(("ANN", "CAT"), players, strict=True):
        ours.seat(name, player, latency=AT_ONCE)
    ours.seat("BOB", Scripted([(n, buy(1, 90.0 + n / 100)) for n in range(2, 50)]), latency=AT_ONCE)
    ours.play()
    for now, (price, book) in reader.heard:
        for kind, seen in ((Price, price), (Book, book)):
            before = [what for then, what in listener.heard if isinstance(what, kind) and then < now]
            assert not before or seen == before[-1]
    ticks = len(reader.heard)
    assert ticks == 8
    assert [player.given[Price] for player in players] == [49, ticks]
    assert [player.given[Book] for player in players] == [49, ticks]


def test_a_bot_receives_no_data_of_securities_that_it_does_not_trade() -> None:
    ours = market(listings=(MSFT, AAPL))
    listener = Listener()
    ours.seat("ANN", listener, securities=["AAPL"])
    ours.seat("BOB", Scripted([(3, buy(1, 90.0)), (4, buy(1, 40.0, security_id="AAPL"))]))
    ours.play()
    assert listener.security.security_id == "AAPL"
    assert {price.security_id for price in listener.received(Price)} == {"AAPL"}
    assert {book.security_id for book in listener.received(Book)} == {"AAPL"}


def test_a_bot_that_changes_its_book_harms_no_other() -> None:
    @dataclass
    class Vandal(Strategy):
        def on_book(self, book: Book) -> None:
            book.bids.clear()

    ours, listener = market(), Listener()
    ours.seat("ANN", Vandal(), latency=AT_ONCE)
    ours.seat("BOB", listener, latency=AT_ONCE)
    ours.seat("CID", Scripted([(3, buy(1, 90.0))]))
    ours.play()
    assert listener.received(Book)[-1].bids


# -- what is scheduled ----------------------------------------------------------------------------------------------


def test_a_halted_security_takes_cancels_only() -> None:
    ours = market()
    bot = Scripted(
        [(2, buy(1, 90.0)), (12, buy(2, 90.0)), (14, lambda strategy: strategy.cancel_all()), (22, buy(3, 90.0))]
    )
    ours.seat("ANN", bot, latency=AT_ONCE)
    ours.schedule(10.0, lambda running: running.halt("MSFT"))
    ours.schedule(20.0, lambda running: running.resume("MSFT"))
    ours.play()
    assert bot.received(tuple) == [("new", None), ("rejected", "halted"), ("cancelled", "cancelled"), ("new", None)]


def test_a_large_seller_sells_to_the_bids() -> None:
    ours = market()
    ours.seat("ANN", Scripted([(2, buy(50, 100.0))]))
    ours.open_account("SELLER", Opening(cash_cents=0, shares={"MSFT": 500}))
    ours.schedule(30.0, lambda running: running.order("SELLER", "MSFT", "sell", 30))
    ours.schedule(59.0, lambda running: running.order("SELLER", "MSFT", "sell", 470, 9_500))
    ours.schedule(60.0, lambda running: running.order("SELLER", "MSFT", "sell", 1))  # the market is closed by then
    outcome = ours.play()
    assert outcome.bots["ANN"].shares == {"MSFT": 1_050}
    assert "SELLER" not in outcome.bots
    assert ours.exchange.accounts.owned["SELLER", "MSFT"] == 450


# -- a bot that goes wrong harms only itself --------------------------------------------------------------------------


@dataclass
class Failing(Scripted):
    """Rests an order, and then runs a given function in a callback."""

    def on_start(self) -> None:
        self.buy(10, 95.0)


def loop(strategy: Strategy) -> None:
    strategy.buy(3, 95.0)
    while True:
        pass


def raise_an_error(strategy: Strategy) -> None:
    strategy.buy(3, 95.0)
    raise RuntimeError("so be it")


def flood(strategy: Strategy) -> None:
    while True:
        strategy.buy(1, 95.0)


def flood_and_catch_all(strategy: Strategy) -> None:
    for _ in range(2_000):
        with suppress(Exception):
            strategy.buy(1, 95.0)


def leave(strategy: Strategy) -> None:
    sys.exit(3)


FAILURES = {
    "it raises": ("raised", raise_an_error, "RuntimeError: so be it"),
    "it leaves": ("raised", leave, "SystemExit: 3"),
    "it hangs": ("hung", loop, "CallbackTimeout: a callback was still running after 0.1 s"),
    "it floods": ("flooded", flood, "RequestFlood: more than 1000 requests in a second"),
    "it floods and catches all": (
        "flooded",
        flood_and_catch_all,
        "RequestFlood: it caught the exception and continued",
    ),
}


def play_with(failing: Strategy | None) -> tuple[Outcome, Listener]:
    ours = market(patience_s=0.1)
    listener = Listener([(n, buy(1, 90.0 + n / 100)) for n in range(2, 50)])
    ours.seat("BOB", listener)
    if failing is not None:
        ours.seat("ANN", failing)
    return ours.play(), listener


@pytest.mark.parametrize("name", FAILURES)
def test_a_failing_bot_is_disqualified_with_its_error(name: str) -> None:
    kind, act, error = FAILURES[name]
    outcome, listener = play_with(Failing([(20, act)]))
    failure = outcome.bots["ANN"].failure
    assert failure is not None
    assert (failure.kind, failure.error) == (kind, error)
    assert 19 < failure.time_s < 22
    if act is not flood_and_catch_all:
        assert act.__name__ in failure.traceback
    # Its open order was cancelled, and what it sent while it failed was never sent.
    assert outcome.bots["ANN"].open_orders == outcome.bots["ANN"].held_cents == 0
    assert outcome.bots["ANN"].requests == {"orders": 1, "mass_cancels": 1}
    assert listener.received(Book)[-1].bids[0].price == Decimal("90.49")
    assert len(listener.received(tuple)) == 48
    assert outcome.bots["BOB"].failure is None


@pytest.mark.parametrize("callback", ["join", "on_start", "on_timer", "interval_s", "on_price", "on_book", "on_stop"])
def test_an_exception_in_any_callback_disqualifies_the_bot(callback: str) -> None:
    def fail(*_: object) -> None:
        raise ValueError(callback)

    kind = dataclass(type("Wrong", (Listener,), {callback: fail}))
    outcome, _ = play_with(kind())
    failure = outcome.bots["ANN"].failure
    assert failure is not None
    assert failure.error == f"ValueError: {callback}"


def test_an_invalid_timer_interval_disqualifies_the_bot() -> None:
    kind = dataclass(type("Wrong", (Strategy,), {"interval_s": lambda _: float("nan")}))
    outcome, _ = play_with(kind())
    assert outcome.bots["ANN"].failure is not None
