"""The trading day in the simulated market: auctions, the close, volatility interruptions and news."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.contract import Auction, NewsItem, PhaseChange, Trade
from bots.simulated.clock import time_of, timestamp
from bots.simulated.configuration import Listing, Opening
from bots.simulated.market import Market
from bots.simulated.replay import replay
from bots.strategy import Strategy
from bots.working_order import Fill
from tests.bots.simulated.markets import AT_ONCE, Scripted, market

RICH = Opening(cash_cents=100_000_000, shares={"MSFT": 10_000})


@dataclass
class Observer(Scripted):
    """Records phases, auctions, news and trades besides its own orders."""

    def on_phase(self, phase: PhaseChange) -> None:
        self.heard.append((self.now, phase))

    def on_auction(self, auction: Auction) -> None:
        self.heard.append((self.now, auction))

    def on_news(self, news: NewsItem) -> None:
        self.heard.append((self.now, news))

    def on_trade(self, trade: Trade) -> None:
        self.heard.append((self.now, trade))


def buy(quantity: int, price: float | None, **terms: object) -> Callable[[Strategy], object]:
    return lambda strategy: strategy.buy(quantity, price, **terms)


def sell(quantity: int, price: float | None, **terms: object) -> Callable[[Strategy], object]:
    return lambda strategy: strategy.sell(quantity, price, **terms)


def phases_of(bot: Scripted) -> list[str]:
    return [one.phase for one in bot.received(PhaseChange)]


def with_auction(seconds: float = 20.0, **configuration: object) -> Market:
    """Make a market of a minute that opens with an auction."""
    ours = market(**configuration)
    ours.schedule(0, lambda market: market.set_phase("MSFT", "auction", seconds=seconds))
    return ours


def test_an_auction_collects_orders_and_trades_them_at_one_price() -> None:
    ours = with_auction(listings=(Listing(security_id="MSFT", maker_fee_ppm=1_000, taker_fee_ppm=3_000),))
    ann = Observer([(2, buy(10, 101.0)), (5, buy(5, 99.0))])
    bob = Observer([(3, sell(4, 98.0)), (4, sell(6, 100.0))])
    ours.seat("ANN", ann, opening=RICH, latency=AT_ONCE)
    ours.seat("BOB", bob, opening=RICH, latency=AT_ONCE)
    outcome = ours.play()
    fills = ann.received(Fill)
    assert {fill.price for fill in fills} == {Decimal("100.00")}
    assert sum(fill.quantity for fill in fills) == 10
    assert all(time_s == 20.0 for time_s, one in ann.heard if isinstance(one, Fill))
    assert {trade.aggressor_side for trade in ann.received(Trade)} == {None}
    assert [one.aggressor_side for one in outcome.prints] == [None] * outcome.trades
    # Both sides pay the higher rate, as on the exchange: 0.3 % of 10 shares at $100.
    assert [sum(fill.fee_cents for fill in outcome.bots[name].fills) for name in ("ANN", "BOB")] == [300, 300]
    assert outcome.fees_cents == 600
    assert all(fill.is_maker for bot in outcome.bots.values() for fill in bot.fills)


def test_phases_and_indicative_prices_are_delivered() -> None:
    ours = with_auction()
    ann = Observer([(2, buy(10, 101.0))])
    ours.seat("ANN", ann, opening=RICH, latency=AT_ONCE)
    ours.seat("BOB", Observer([(6, sell(4, 98.0))]), opening=RICH, latency=AT_ONCE)
    ours.play()
    auction, continuous = ann.received(PhaseChange)
    assert (auction.phase, auction.phase_cause, auction.phase_ends_at) == (
        "auction",
        "admin",
        "2023-11-14T22:13:40.000000Z",
    )
    assert (continuous.phase, continuous.timestamp) == ("continuous", "2023-11-14T22:13:40.000000Z")
    first, *_, during, last = ann.received(Auction)
    assert (first.price, first.volume) == (None, 0)
    assert (during.price, during.volume, during.surplus, during.surplus_side) == (Decimal("101.00"), 4, 6, "buy")
    assert (last.price, last.volume, last.phase) == (None, 0, "continuous")


def test_an_auction_rejects_orders_for_immediate_execution() -> None:
    ours = with_auction()
    ann = Observer([(2, buy(1, 100.0, time_in_force="ioc")), (3, buy(1, 100.0, post_only=True))])
    ours.seat("ANN", ann, latency=AT_ONCE)
    outcome = ours.play()
    assert outcome.bots["ANN"].rejected == {"not_in_auction": 2}
    assert outcome.bots["ANN"].held_cents == 0


def test_an_auction_order_waits_for_the_auction_and_ends_with_it() -> None:
    ours = market()
    ours.schedule(10, lambda market: market.set_phase("MSFT", "auction", seconds=10))
    ann = Observer([(2, buy(10, 101.0, time_in_force="auction"))])
    ours.seat("ANN", ann, latency=AT_ONCE)
    ours.seat("BOB", Observer([(4, sell(4, 99.0))]), latency=AT_ONCE)
    outcome = ours.play()
    assert [(time_s, fill.quantity) for time_s, fill in ann.heard if isinstance(fill, Fill)] == [(20.0, 4)]
    assert outcome.bots["ANN"].closed == {"unfilled": 1}
    assert outcome.bots["ANN"].held_cents == 0


def test_a_market_order_may_wait_for_the_auction() -> None:
    ours = market()
    ours.schedule(10, lambda market: market.set_phase("MSFT", "auction", seconds=10))
    ann = Observer([(5, buy(10, None, time_in_force="auction"))])
    ours.seat("ANN", ann, latency=AT_ONCE)
    ours.seat("BOB", Observer([(2, sell(4, 100.0)), (3, buy(1, 99.0))]), latency=AT_ONCE)
    outcome = ours.play()
    assert [(time_s, fill.quantity) for time_s, fill in ann.heard if isinstance(fill, Fill)] == [(20.0, 4)]
    assert outcome.bots["ANN"].closed == {"unfilled": 1}
    assert outcome.bots["ANN"].held_cents == 0


def test_a_stop_order_may_wait_for_the_day_or_until_a_time() -> None:
    ours = market()
    ours.schedule(30, lambda market: market.set_phase("MSFT", "closed"))
    until = {"time_in_force": "gtd", "expires_at": "2023-11-14T22:13:30Z"}  # 10 s after the start
    ann = Observer(
        [
            (2, buy(1, None, stop_price=110, time_in_force="day")),
            (3, buy(1, None, stop_price=110, **until)),
            (4, buy(1, None, stop_price=110)),
        ]
    )
    ours.seat("ANN", ann, latency=AT_ONCE)
    outcome = ours.play()
    ended = [time_s for time_s, one in ann.heard if one == ("cancelled", "expired")]
    assert ended == [pytest.approx(10.0, abs=1.0), 30.0]
    assert outcome.bots["ANN"].open_orders == 1


def test_an_auction_order_may_still_wait_at_the_end() -> None:
    ours = market()
    ours.seat("ANN", Observer([(2, buy(10, 101.0, time_in_force="auction"))]), latency=AT_ONCE)
    assert ours.play().bots["ANN"].held_cents == 101_000


def test_the_close_cancels_day_orders_and_rejects_new_ones() -> None:
    ours = market()
    ours.schedule(10, lambda market: market.set_phase("MSFT", "closed"))
    ours.schedule(30, lambda market: market.set_phase("MSFT", "continuous"))
    ann = Observer([(2, buy(1, 90.0, time_in_force="day")), (3, buy(1, 91.0)), (20, buy(1, 92.0)), (40, buy(1, 93.0))])
    ours.seat("ANN", ann, latency=AT_ONCE)
    outcome = ours.play()
    assert outcome.bots["ANN"].closed == {"expired": 1}
    assert outcome.bots["ANN"].rejected == {"closed": 1}
    assert phases_of(ann) == ["continuous", "closed", "continuous"]
    assert outcome.bots["ANN"].open_orders == 2


def test_an_order_beyond_the_band_begins_an_auction_of_ten_seconds() -> None:
    ours = market(listings=(Listing(security_id="MSFT", band=Fraction(1, 10)),))
    ann = Observer([(2, sell(5, 105.0)), (3, sell(5, 115.0))])
    bob = Observer([(10, buy(10, 120.0))])
    ours.seat("ANN", ann, opening=RICH, latency=AT_ONCE)
    ours.seat("BOB", bob, opening=RICH, latency=AT_ONCE)
    ours.play()
    changes = [(time_s, one) for time_s, one in bob.heard if isinstance(one, PhaseChange)]
    assert [one.phase for _, one in changes] == ["continuous", "auction", "auction", "continuous"]
    assert {one.phase_cause for _, one in changes[1:]} == {"volatility"}
    assert changes[3][0] - changes[2][0] == pytest.approx(10.0)
    assert bob.received(Fill)[0].price == Decimal("105.00")
    assert sum(fill.quantity for fill in bob.received(Fill)) == 10


def test_a_later_phase_replaces_the_end_of_an_earlier_one() -> None:
    ours = with_auction(seconds=20.0)
    ours.schedule(10, lambda market: market.set_phase("MSFT", "halted"))
    ann = Observer([(30, buy(1, 100.0))])
    ours.seat("ANN", ann, latency=AT_ONCE)
    outcome = ours.play()
    assert phases_of(ann)[-1] == "halted"
    assert outcome.bots["ANN"].rejected == {"halted": 1}


def test_news_reaches_the_bots_that_read_it() -> None:
    ours = market()
    ours.schedule(10, lambda market: market.publish_news("Takeover", security_id="MSFT"))
    ann = Observer([])
    ours.seat("ANN", ann, latency=AT_ONCE)
    ours.seat("BOB", Scripted([]), latency=AT_ONCE)
    ours.play()
    [(time_s, news)] = [(time_s, one) for time_s, one in ann.heard if isinstance(one, NewsItem)]
    assert (time_s, news.news_id, news.headline, news.security_id) == (10.0, 1, "Takeover", "MSFT")


def gtd(expires_at: str) -> Callable[[Strategy], object]:
    return buy(1, 90.0, time_in_force="gtd", expires_at=expires_at)


def test_a_gtd_order_expires_within_a_second_after_its_time() -> None:
    ours = market()
    # A match begins at 22:13:20.
    ann = Observer(
        [(2, gtd("2023-11-14T22:13:40.250Z")), (3, gtd("2023-11-14T23:13:41+01:00")), (4, gtd("2030-01-01T00:00:00Z"))]
    )
    ours.seat("ANN", ann, latency=AT_ONCE)
    outcome = ours.play()
    ended = [time_s for time_s, one in ann.heard if one == ("cancelled", "expired")]
    assert ended == [21.0, 21.0]
    assert (outcome.bots["ANN"].open_orders, outcome.bots["ANN"].held_cents) == (1, 9_000)


@pytest.mark.parametrize(
    ("expires_at", "code"),
    [
        ("2023-11-14T22:13:21Z", "expired"),
        ("soon", "validation_error"),
        ("2023-13-14T22:13:21Z", "validation_error"),
        ("2030-01-01", "validation_error"),
    ],
)
def test_a_gtd_order_needs_a_time_to_come(expires_at: str, code: str) -> None:
    ours = market()
    ours.seat("ANN", Observer([(2, gtd(expires_at))]), latency=AT_ONCE)
    assert ours.play().bots["ANN"].refusals == {code: 1}


def test_a_replayed_day_leads_to_the_same_trades_and_accounts() -> None:
    lines: list[bytes] = []
    ours = Market(
        with_auction(
            listings=(Listing(security_id="MSFT", band=Fraction(1, 10), maker_fee_ppm=1_000, taker_fee_ppm=3_000),)
        ).configuration,
        log=lambda text: lines.extend(text.splitlines()),
    )
    ours.schedule(0, lambda market: market.set_phase("MSFT", "auction", seconds=20))
    ours.schedule(50, lambda market: market.set_phase("MSFT", "closed"))
    ours.seat("ANN", Observer([(2, buy(10, 101.0)), (25, buy(5, 130.0))]), opening=RICH, latency=AT_ONCE)
    ours.seat("BOB", Observer([(3, sell(4, 98.0)), (22, sell(9, 102.0))]), opening=RICH, latency=AT_ONCE)
    outcome = ours.play()
    found = replay(lines, {"MSFT": (1_000, 3_000)})
    assert found.fees_cents == outcome.fees_cents > 0
    assert (found.log_hash, found.trades, found.trades_hash) == (outcome.log_hash, outcome.trades, outcome.trades_hash)
    for name, bot in outcome.bots.items():
        assert bot.opening_cash_cents + found.cash_cents[name] == bot.cash_cents


@given(st.integers(0, 4_102_444_800_000_000 - 1))
def test_timestamps_are_those_of_the_calendar(time_us: int) -> None:
    expected = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)
    assert timestamp(time_us) == expected.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert time_of(timestamp(time_us)) == time_us
