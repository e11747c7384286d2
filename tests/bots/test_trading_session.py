"""A session derives a bot's account from its reports alone and delivers each event once, in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

import msgspec
import pytest

from bots.contract import (
    Auction,
    Book,
    LimitOrder,
    MarketOrder,
    NewsItem,
    OrderState,
    PhaseChange,
    Price,
    ProblemDetails,
    Report,
    Trade,
)
from bots.errors import Problem, Unavailable
from bots.strategy import Strategy
from bots.working_order import Fill, WorkingOrder
from tests.bots.harness import Harness, RecordingVenue, security


@dataclass
class Diary(Strategy):
    """Writes down each event that it receives."""

    calls: list[str] = field(default_factory=list)

    def on_start(self) -> None:
        self.calls.append("start")

    def on_timer(self, now: float) -> None:
        self.calls.append(f"timer {now}")

    def on_price(self, price: Price) -> None:
        self.calls.append(f"price {price.bid} {price.ask} {price.last}")

    def on_book(self, book: Book) -> None:
        self.calls.append(f"book {len(book.bids)} {len(book.asks)}")

    def on_trade(self, trade: Trade) -> None:
        self.calls.append(f"trade {trade.quantity} @ {trade.price}")

    def on_order(self, order: WorkingOrder) -> None:
        self.calls.append(f"order {order.order_id} {order.status} {order.reason}")

    def on_fill(self, fill: Fill) -> None:
        self.calls.append(f"fill {fill.side} {fill.quantity} @ {fill.price}, has {self.position()}")

    def on_stop(self) -> None:
        self.calls.append("stop")


@pytest.fixture
def diary() -> Diary:
    return Diary()


@pytest.fixture
def harness(diary: Diary) -> Harness:
    return Harness(diary)


def test_every_event_reaches_its_callback(diary: Diary, harness: Harness) -> None:
    harness.price("99", "101", last="100")
    harness.book([("99", 5)], [("101", 5), ("102", 1)])
    harness.session.deliver(
        Trade(trade_id="t", security_id="MSFT", price=Decimal(101), quantity=3, aggressor_side="buy", sequence=1), 1.5
    )
    harness.session.tick(2.0)
    harness.session.stop(3.0)
    assert diary.calls == ["start", "price 99 101 100", "book 1 2", "trade 3 @ 101", "timer 2.0", "stop"]
    assert diary.now == 3.0
    assert (diary.price().bid, diary.price().last) == (Decimal(99), Decimal(101))
    assert diary.book().asks[1].price == Decimal(102)


def test_a_price_without_a_last_one_keeps_the_last_one(diary: Diary, harness: Harness) -> None:
    harness.price("99", "101", last="100")
    harness.price("98", "101")
    assert diary.calls[-1] == "price 98 101 100"


def test_the_life_of_an_order(diary: Diary, harness: Harness) -> None:
    order_id = diary.buy(10, 99.5)
    assert harness.orders == [LimitOrder(security_id="MSFT", side="buy", quantity=10, price=Decimal("99.50"))]
    assert diary.open_orders[order_id].status == "pending"
    assert diary.cash == Decimal("9005.00")

    harness.confirm(order_id)
    harness.fill(order_id, 4, "99.40")
    assert diary.open_orders[order_id].open_quantity == 6
    assert diary.cash == Decimal(10_000) - 4 * Decimal("99.40") - 6 * Decimal("99.50")

    harness.fill(order_id, 6, "99.50")
    assert diary.open_orders == {}
    assert diary.position() == 1010
    assert diary.cash == Decimal(10_000) - 4 * Decimal("99.40") - 6 * Decimal("99.50")
    assert diary.calls[1:] == [
        "order 1 new None",
        "fill buy 4 @ 99.40, has 1004",
        "fill buy 6 @ 99.50, has 1010",
        "order 1 filled None",
    ]


def test_equity_is_cash_and_shares_at_the_last_price(diary: Diary, harness: Harness) -> None:
    assert diary.equity == 10_000
    harness.price(None, None, last="90")
    assert diary.equity == 10_000 + 1000 * 90
    order_id = diary.sell(10, 95)
    assert (diary.position(), diary.available()) == (1000, 990)
    harness.fill(order_id, 10, "95")
    assert diary.equity == 10_000 + 950 + 990 * 95
    assert (diary.position(), diary.available()) == (990, 990)


@pytest.mark.parametrize(
    ("reason", "filled", "status"),
    [("cancelled", 0, "cancelled"), ("insufficient_funds", 0, "rejected"), ("self_trade", 3, "cancelled")],
)
def test_a_denial_releases_the_hold(diary: Diary, harness: Harness, reason: str, filled: int, status: str) -> None:
    order_id = diary.buy(10, 90)
    if filled:
        harness.fill(order_id, filled, "90")
    harness.deny(order_id, reason)
    assert diary.cash == 10_000 - 90 * filled
    assert diary.calls[-1] == f"order 1 {status} {reason}"
    assert diary.open_orders == {}


def test_a_market_order_holds_what_it_may_cost(diary: Diary, harness: Harness) -> None:
    harness.price("99", "101", last="100")
    order_id = diary.buy(10)
    assert harness.orders == [MarketOrder(security_id="MSFT", side="buy", quantity=10)]
    assert diary.cash == 10_000 - 10 * 110
    harness.fill(order_id, 4, "101")
    harness.deny(order_id, "unfilled")
    assert diary.cash == 10_000 - 404


def test_an_order_is_cancelled_once(diary: Diary, harness: Harness) -> None:
    order_id = diary.buy(1, 90)
    diary.cancel(order_id)
    diary.cancel(order_id)
    diary.cancel(17)
    assert harness.venue.cancelled == [order_id]
    assert diary.open_orders[order_id].cancelling
    # It was too late for the cancel: the order is as it was, and its fill comes.
    harness.session.deliver(_refusal(order_id, "unknown_order"), 0.0)
    assert not diary.open_orders[order_id].cancelling
    harness.fill(order_id, 1, "90")
    assert diary.calls[-1] == "order 1 filled unknown_order"


def test_all_orders_are_cancelled_at_once_and_none_where_there_are_none(diary: Diary, harness: Harness) -> None:
    diary.cancel_all()
    assert harness.venue.mass_cancels == []
    first, second = diary.buy(1, 90), diary.sell(1, 110)
    diary.cancel_all()
    assert harness.venue.mass_cancels == [None]
    assert all(order.cancelling for order in diary.open_orders.values())
    harness.deny(first, "cancelled")
    harness.deny(second, "cancelled")
    assert (diary.cash, diary.available()) == (10_000, 1000)


def test_a_replaced_order_has_its_new_terms_when_it_is_confirmed(diary: Diary, harness: Harness) -> None:
    order_id = diary.buy(10, 90)
    harness.confirm(order_id)
    diary.replace(order_id, quantity=5, price=91.111)
    assert harness.venue.replaced == [(order_id, 5, Decimal("91.11"))]
    assert diary.open_orders[order_id].quantity == 10
    harness.report("order", order_id, quantity=5, price="91.11", reason="replaced")
    order = diary.open_orders[order_id]
    assert (order.quantity, order.price) == (5, Decimal("91.11"))
    assert diary.cash == 10_000 - 5 * Decimal("91.11")
    with pytest.raises(LookupError, match="99 is not open"):
        diary.replace(99, quantity=5)


def test_an_order_that_was_never_answered_is_found_by_its_reports(diary: Diary, harness: Harness) -> None:
    def away(order: object) -> int:
        raise Unavailable("away")

    harness.venue.place = away  # type: ignore[method-assign,assignment]
    with pytest.raises(Unavailable):
        diary.buy(10, 90)
    harness.report("order", 77, side="buy", quantity=10, price="90")
    assert diary.open_orders[77].open_quantity == 10
    assert diary.cash == 9_100
    harness.report("trade", 77, side="buy", quantity=10, price="90")
    assert diary.open_orders == {}
    assert diary.position() == 1010


def test_a_bot_knows_what_it_owes_and_that_it_is_bought_in(diary: Diary, harness: Harness) -> None:
    order_id = diary.sell(1_004, 10)
    harness.fill(order_id, 1_004, "10")
    harness.price(None, None, last="10")
    assert (diary.position(), diary.borrowed(), diary.available()) == (-4, 4, 0)
    assert diary.equity == 10_000 + 1_004 * 10 - 4 * 10
    # The clearinghouse buys in the client's name; the bot hears of it from the reports alone.
    harness.report("order", 77, side="buy", quantity=4, reason="buy_in")
    assert diary.open_orders[77].open_quantity == 4
    harness.report("trade", 77, side="buy", quantity=4, price="12")
    assert (diary.position(), diary.borrowed(), diary.open_orders) == (0, 0, {})
    assert diary.cash == 10_000 + 1_004 * 10 - 4 * 12


def test_a_late_confirmation_does_not_open_an_order_again(diary: Diary, harness: Harness) -> None:
    order_id = diary.buy(10, 90)
    harness.fill(order_id, 10, "90")
    harness.confirm(order_id)
    assert diary.open_orders == {}
    assert diary.cash == 9_100


def test_a_trade_that_cannot_settle_is_taken_back(diary: Diary, harness: Harness) -> None:
    order_id = diary.buy(10, 90)
    harness.fill(order_id, 10, "90")
    harness.report("settlement", order_id, status="denied", price="90", reason="account_closed")
    assert (diary.cash, diary.position()) == (10_000, 1000)
    assert harness.lines == [(0.0, "trade_failed", {"order_id": 1, "quantity": 10, "reason": "account_closed"})]


def test_orders_of_an_earlier_run_are_adopted() -> None:
    state = OrderState(
        order_id=5,
        client_id="A",
        security_id="MSFT",
        type="limit",
        side="buy",
        quantity=10,
        filled_quantity=4,
        status="partially_filled",
        price=Decimal(90),
    )
    diary = Diary()
    Harness(diary, open_orders=[state])
    assert diary.open_orders[5].open_quantity == 6
    assert diary.cash == 10_000 - 540


@pytest.mark.parametrize(
    ("status", "expectation"), [(404, None), (422, "problem")], ids=["nothing left", "another problem"]
)
def test_a_cancel_that_finds_nothing_raises_nothing(status: int, expectation: str | None) -> None:
    class Refusing(RecordingVenue):
        def cancel(self, security_id: str, order_id: int) -> None:
            raise Problem(ProblemDetails(status=status, code="problem"))

    diary = Diary()
    Harness(diary, venue=Refusing())
    order_id = diary.buy(1, 90)
    if expectation is None:
        diary.cancel(order_id)
    else:
        with pytest.raises(Problem, match=expectation):
            diary.cancel(order_id)


def test_channels_follow_from_the_callbacks() -> None:
    class Silent(Strategy):
        pass

    class Watcher(Strategy):
        watches = frozenset({"book"})

        def on_price(self, price: Price) -> None:
            pass

    assert Silent.channels() == frozenset()
    assert Watcher.channels() == {"book", "price"}
    assert Diary.channels() == {"price", "book", "trades"}


def test_two_securities_are_kept_apart() -> None:
    diary = Diary()
    harness = Harness(diary, securities=["MSFT", "AAPL"], holdings={"MSFT": 1000, "AAPL": 5})
    harness.price("49", "51", last="50", security_id="AAPL")
    order_id = diary.sell(3, 51, security_id="AAPL")
    harness.fill(order_id, 3, "51")
    assert (diary.position(), diary.position("AAPL")) == (1000, 2)
    assert diary.price("AAPL").last == Decimal(51)
    assert diary.price().last is None
    assert list(diary.securities) == ["MSFT", "AAPL"]


def _refusal(order_id: int, reason: str) -> Report:
    return Report(
        event_type="order", status="denied", order_id=order_id, client_id="A", security_id="MSFT", reason=reason
    )


@pytest.mark.parametrize(
    ("served", "held"),
    [
        ({}, "110.00"),
        ({"market_order_band": Decimal("0.05")}, "105.00"),
        ({"band": Decimal("0.20")}, "120.00"),
        ({"band": Decimal("0.20"), "market_order_band": Decimal("0.05")}, "105.00"),
        ({"market_order_band": Decimal("0.05"), "tick": Decimal(2)}, "104"),
        ({"max_price": Decimal(101)}, "101"),
    ],
)
def test_a_market_order_holds_its_collar_by_the_band_that_the_exchange_serves(
    served: dict[str, Decimal], held: str
) -> None:
    diary = Diary()
    listed = msgspec.structs.replace(security("MSFT"), **served)
    harness = Harness(diary, listed=[listed])
    harness.price("99", "101", last="100")
    diary.buy(1)
    assert diary.cash == 10_000 - Decimal(held)


def test_a_stop_order_holds_the_collar_of_its_stop_price(diary: Diary, harness: Harness) -> None:
    harness.price("99", "101", last="100")
    diary.buy(1, stop_price=120)
    assert diary.cash == 10_000 - Decimal(132)


@dataclass
class Dayfly(Strategy):
    """Records what it learns of the trading day."""

    events: list[object] = field(default_factory=list)

    def on_phase(self, phase: PhaseChange) -> None:
        self.events.append((phase.phase, self.phase(), self.phase("AAPL")))

    def on_auction(self, auction: Auction) -> None:
        self.events.append((auction.price, auction.volume))

    def on_news(self, news: NewsItem) -> None:
        self.events.append(news.headline)


def test_phases_auctions_and_news_reach_their_callbacks() -> None:
    strategy = Dayfly()
    harness = Harness(strategy, securities=("MSFT", "AAPL"))
    assert Dayfly.channels() == {"phase", "auction", "news"}
    harness.session.deliver(PhaseChange(security_id="MSFT", phase="auction"), 1.0)
    harness.session.deliver(Auction(security_id="MSFT", price=Decimal("99.50"), volume=7), 2.0)
    harness.session.deliver(NewsItem(news_id=1, headline="Takeover"), 3.0)
    assert strategy.events == [("auction", "auction", "continuous"), (Decimal("99.50"), 7), "Takeover"]


def test_an_expired_order_was_in_the_market(diary: Diary, harness: Harness) -> None:
    order_id = diary.buy(10, 99.5, time_in_force="gtd", expires_at="2030-01-01T00:00:00Z")
    assert harness.orders[-1].expires_at == "2030-01-01T00:00:00Z"  # type: ignore[union-attr]
    harness.confirm(order_id)
    harness.deny(order_id, "expired")
    assert diary.calls[-1] == "order 1 cancelled expired"
    assert diary.cash == 10_000
