"""Selling short in the simulated market: the same requests lead to the same accounts as on the live exchange."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from bots.contract import Price
from bots.simulated.configuration import Configuration, Listing, Opening
from bots.simulated.conservation import require_conserved
from bots.simulated.exchange import Exchange
from bots.simulated.market import Market
from bots.simulated.replay import replay
from db.clearing_data.clients import accounts
from db.clearing_data.clients import limits as account_limits
from db.clearing_data.listing import securities
from db.connect import Database
from tasks.messages import CancelRequest, Execution, Request
from tasks.order_entry.rules.decisions import Denied
from tests.bots.simulated.markets import AT_ONCE, Scripted, market
from tests.bots.simulated.test_exchange import LIMITS as SMALL
from tests.bots.simulated.test_exchange import order, requests
from tests.support.trading import CASH_CENTS, CLIENTS, LIMITS, NOW_US
from tests.tasks.order_execution.lending import Lending as LiveLending
from tests.tasks.order_execution.lending import buy_in

SECOND_US = 1_000_000
RICH = Opening(cash_cents=100_000_000, shares={"MSFT": 10_000})


def denial(exchange: Exchange, request: Request, now_us: int = NOW_US) -> str | None:
    """Return the reason of a denial; match and settle an admitted request."""
    decision = exchange.admit(request, now_us)
    if isinstance(decision, Denied):
        return decision.reason
    trades, at_once = exchange.split(exchange.execute(decision.command))
    exchange.settle([*trades, *at_once], now_us)
    return None


# -- the rules in this market ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("late", [False, True])
def test_what_is_borrowed_is_lent_and_secured_under_random_requests(seed: int, late: bool) -> None:
    """Two of three clients may owe shares, one with little cash: fees, replacements, halts, buy-ins, late trades."""
    ours = Exchange(
        [Listing(security_id="MSFT"), Listing(security_id="AAPL", maker_fee_ppm=-1_000, taker_fee_ppm=2_500)], SMALL
    )
    for client_id, cash_cents, shares in (("ANN", 1_000_000, 10), ("BOB", 20_000_000, 500), ("CID", 300_000, 5)):
        ours.open(client_id, cash_cents, {"MSFT": shares, "AAPL": shares}, short_limit=0 if client_id == "BOB" else 200)
    chance, numbers = random.Random(seed), iter(range(1_000_000, 2_000_000))
    waiting: list[Execution] = []
    owed = 0
    for number, request in enumerate(requests(seed, 800), 1):
        decision = ours.admit(request, number)
        commands = [] if isinstance(decision, Denied) else [decision.command]
        if number % 40 == 0:
            commands += ours.buy_in(numbers.__next__, number * SECOND_US)
        for command in commands:
            trades, at_once = ours.split(ours.execute(command))
            waiting += trades
            ours.settle(at_once, number)
        if not late or chance.random() < 0.1:
            ours.settle(waiting, number)
            waiting = []
        if not waiting and number % 20 == 0:
            require_conserved(ours)
        owed += any(one.borrowed for one in ours.accounts.shares.values())
    ours.settle(waiting)
    require_conserved(ours)
    assert owed > 100


def test_a_sale_far_below_the_market_gives_back_all_that_it_held() -> None:
    ours = Exchange([Listing(security_id="MSFT")], SMALL)
    ours.open("ANN", 1_000_000, {"MSFT": 0}, short_limit=200)
    assert denial(ours, order(1, client_id="ANN", side="sell", quantity=10, price_cents=1_000)) is None
    assert ours.accounts.funds["ANN"].available_cents == 1_000_000 - 10 * 9_000 // 2  # by the collar of a market order
    assert denial(ours, CancelRequest(2, "ANN", "MSFT", 1, NOW_US)) is None
    assert ours.accounts.funds["ANN"].available_cents == 1_000_000
    require_conserved(ours)


def test_what_owed_shares_require_beyond_their_collateral_is_not_available() -> None:
    ours = Exchange([Listing(security_id="MSFT"), Listing(security_id="AAPL")], SMALL)
    ours.open("ANN", 100_000, {}, short_limit=10)
    for client_id in ("BOB", "CID"):
        ours.open(client_id, 10_000_000, {"MSFT": 1_000})
    assert denial(ours, order(1, "ANN", "sell", 10, 10_000)) is None
    assert denial(ours, order(2, "BOB", "buy", 10, 10_000)) is None
    assert denial(ours, order(3, "CID", "sell", 1, 13_000)) is None
    assert denial(ours, order(4, "BOB", "buy", 1, 13_000)) is None
    # She has 2,000.00, of which 1.25 * 1,300.00 are required: 125.00 more than the collateral.
    assert denial(ours, order(5, "ANN", "buy", 4, 9_376, security_id="AAPL")) == "insufficient_funds"
    assert denial(ours, order(6, "ANN", "buy", 4, 9_375, security_id="AAPL")) is None
    assert denial(ours, order(7, "ANN", "buy", 10, 13_000)) is None  # to return shares, the secured cash counts
    require_conserved(ours)


@dataclass
class Short(Scripted):
    """Sells short, and records what follows."""

    def on_price(self, price: Price) -> None:
        self.heard.append((self.now, price))


def sell(quantity: int, price: float):
    return lambda bot: bot.sell(quantity, price)


def buy(quantity: int, price: float):
    return lambda bot: bot.buy(quantity, price)


def test_a_bot_is_bought_in_when_the_price_rises_against_it() -> None:
    """ANN sells 10 shares short at 100.00. At 150.00 her 250.00 dollars of margin are too little."""
    lines: list[bytes] = []
    ours = Market(Configuration(duration_s=60.0), log=lambda text: lines.extend(text.splitlines()))
    ann = Short([(1, sell(10, 100.0)), (3, buy(1, 50.0))])
    bob = Scripted([(2, buy(10, 100.0)), (5, sell(1, 150.0)), (9, sell(30, 155.0))])
    cid = Scripted([(6, buy(1, 150.0))])
    ours.seat("ANN", ann, opening=Opening(cash_cents=60_000, shares={}, short_limit=10), latency=AT_ONCE)
    ours.seat("BOB", bob, opening=RICH, latency=AT_ONCE)
    ours.seat("CID", cid, opening=RICH, latency=AT_ONCE)
    positions: list[tuple[int, int, int]] = []
    ours.schedule(4.5, lambda _: positions.append((ann.position(), ann.borrowed(), ann.available())))
    outcome = ours.play()
    assert positions == [(-10, 10, 0)]
    # Her order is cancelled, and the clearinghouse buys all ten as soon as there is a seller.
    assert ("cancelled", "buy_in") in [what for _, what in ann.heard]
    assert ann.position() == 0
    bot = outcome.bots["ANN"]
    assert bot.shares == {"MSFT": 0}
    assert bot.cash_cents == 60_000 + 100_000 - 10 * 15_500
    assert {fill.price_cents for fill in bot.fills} == {10_000, 15_500}
    found = replay(lines, {})
    assert found.cash_cents["ANN"] == bot.cash_cents - 60_000
    assert found.trades_hash == outcome.trades_hash


def test_without_a_limit_no_bot_sells_short() -> None:
    ours = market()
    ours.seat("ANN", Short([(1, sell(10, 100.0))]), opening=Opening(cash_cents=60_000, shares={}), latency=AT_ONCE)
    assert ours.play().bots["ANN"].rejected == {"insufficient_holdings": 1}


def test_equity_counts_owed_shares_at_their_price() -> None:
    ours = market(sample_s=5.0)
    opening = Opening(cash_cents=1_000_000, shares={}, short_limit=10)
    ours.seat("ANN", Short([(1, sell(10, 100.0))]), opening=opening, latency=AT_ONCE)
    ours.seat("BOB", Scripted([(2, buy(10, 100.0)), (8, buy(1, 110.0)), (9, sell(1, 110.0))]), opening=RICH)
    ours.seat("CID", Scripted([(10, sell(1, 110.0))]), opening=RICH)
    samples = ours.play().bots["ANN"].samples
    assert [sample.equity_cents for sample in samples][:2] == [1_000_000, 1_000_000]
    assert samples[-1].shares == {"MSFT": -10}
    assert samples[-1].equity_cents == 1_000_000 - 10 * 1_000


@pytest.mark.parametrize(
    ("rise", "borrowed", "cash_cents", "fund_cents"),
    [
        (10, 10, 150_000, 0),  # collateral of 1,500.00 is more than 125 % of 1,100.00
        (25, 0, 25_000, 0),  # less than 125 % of 1,250.00: bought in at 125.00
        (40, 0, 10_000, 0),
        (60, 0, 0, 10_000),  # a gap beyond the collateral: the default fund pays 100.00
    ],
)
def test_the_price_rises_as_in_the_table_of_the_clearinghouse(
    rise: int, borrowed: int, cash_cents: int, fund_cents: int
) -> None:
    ours = Exchange([Listing(security_id="MSFT")], SMALL, fund_cents=100_000)
    ours.open("ANN", 50_000, {}, short_limit=10)
    for client_id in ("BOB", "CID"):
        ours.open(client_id, 10_000_000, {"MSFT": 1_000})
    price_cents = 10_000 + 100 * rise
    for number, (client_id, side, quantity, at_cents) in enumerate(
        (
            ("ANN", "sell", 10, 10_000),
            ("BOB", "buy", 10, 10_000),
            ("CID", "sell", 1, price_cents),
            ("BOB", "buy", 1, price_cents),
            ("CID", "sell", 100, price_cents),
        ),
        start=1,
    ):
        assert denial(ours, order(number, client_id, side, quantity, at_cents)) is None
    numbers = iter(range(100, 1_000))
    for second in range(1, 12):
        for command in ours.buy_in(numbers.__next__, NOW_US + second * SECOND_US):
            trades, at_once = ours.split(ours.execute(command))
            ours.settle([*trades, *at_once], NOW_US + second * SECOND_US)
        require_conserved(ours)
    assert ours.accounts.shares["ANN", "MSFT"].borrowed == borrowed
    assert ours.accounts.balances["ANN"] == cash_cents
    assert ours.lending.paid_cents.total() == fund_cents


# -- the same as live --------------------------------------------------------------------------------------------------


class BothExchanges:
    """The live exchange on Postgres and the simulated one; both get the same requests, one at a time."""

    def __init__(self, clearing_data: Database, cash_cents: dict[str, int], *, short_limit: int) -> None:
        self.live = LiveLending(clearing_data, short_limit=short_limit)
        # The live books have tests of their own, and their checks take longer than the trades.
        self.live.check = lambda: None  # type: ignore[method-assign]
        self.clearing_data = clearing_data
        with clearing_data.transaction() as tx:
            for client_id, cents in cash_cents.items():
                account_limits.change(tx, client_id, {"short_limit": short_limit})
                if cents < CASH_CENTS:
                    accounts.withdraw_cash(tx, client_id, "out", amount_cents=CASH_CENTS - cents, now_us=NOW_US)
        with clearing_data.snapshot() as tx:
            listed = securities.listed(tx)
            free = {one.security_id: accounts.holding(tx, "DTCC", one.security_id).available for one in listed}
        self.simulated = Exchange(
            [
                Listing(
                    security_id=one.security_id,
                    reference_cents=one.last_price_cents or one.reference_price_cents or 10_000,
                    tick_cents=one.tick_cents,
                    min_price_cents=one.min_price_cents,
                    max_price_cents=one.max_price_cents,
                    maker_fee_ppm=one.maker_fee_ppm,
                    taker_fee_ppm=one.taker_fee_ppm,
                    lendable_shares=free[one.security_id],
                )
                for one in listed
            ],
            LIMITS,
        )
        self.names = [one.security_id for one in listed]
        for client_id, (cash, has) in self._live_state().items():
            shares = {name: holding[0] for name, holding in has.items()}
            limit = short_limit if client_id == "ANN" or client_id in cash_cents else 0
            self.simulated.open(client_id, cash[0], shares, short_limit=limit)

    def _live_state(self) -> dict[str, tuple]:
        with self.clearing_data.snapshot() as tx:
            found = {}
            for client_id in CLIENTS:
                account = accounts.account(tx, client_id)
                assert account is not None
                holdings = {name: accounts.holding(tx, client_id, name) for name in self.names_in(tx)}
                found[client_id] = (
                    (account.balance_cents, account.held_cents, account.collateral_cents),
                    {
                        name: (one.shares, one.available, one.borrowed, one.located)
                        for name, one in holdings.items()
                        if one.shares or one.borrowed or one.located
                    },
                )
        return found

    @staticmethod
    def names_in(tx) -> list[str]:
        return [one.security_id for one in securities.listed(tx)]

    def _simulated_state(self) -> dict[str, tuple]:
        found = {}
        for client_id in CLIENTS:
            books = self.simulated.accounts
            funds, balance = books.funds[client_id], books.balances[client_id]
            found[client_id] = (
                (balance, balance - funds.available_cents - funds.collateral_cents, funds.collateral_cents),
                {
                    owner[1]: (books.owned[owner], one.available, one.borrowed, one.located)
                    for owner, one in books.shares_in(client_id)
                    if books.owned[owner] or one.borrowed or one.located
                },
            )
        return found

    def trade(self, *made: Request) -> list[str | None]:
        """Take requests through both, and compare why each is denied."""
        reasons = []
        for request in made:
            live = self.live.trade(request)
            # A cancel or replacement that is admitted is reported by its events alone.
            reasons.append(denial(self.simulated, request))
            assert (live[0] if live else None) == reasons[-1], request
        return reasons

    def second(self, number: int) -> None:
        """Let a second pass in both: margin, buy-ins and the default fund."""
        at_us = NOW_US + number * SECOND_US
        buy_in(self.live, at_us=at_us)
        numbers = iter(range(10**9 + number * 1_000, 10**10))
        for command in self.simulated.buy_in(numbers.__next__, at_us):
            trades, at_once = self.simulated.split(self.simulated.execute(command))
            self.simulated.settle([*trades, *at_once], at_us)

    def compare(self) -> None:
        require_conserved(self.simulated)
        assert self._simulated_state() == self._live_state()


def scenario(both: BothExchanges) -> Iterator[Sequence[Request]]:
    """Yield the steps of a short position: open, add, flip, rise, gap, buy-in; all prices in cents."""
    exchange, live = both.live.exchange, both.live
    yield [live.sell(10, 10_000), live.buy(4, 10_000), live.buy(6, 10_000)]
    yield [live.sell(5, 10_100), live.buy(5, 10_100, "CID")]
    resting = live.sell(12, 10_500)
    yield [resting, exchange.replace(resting, quantity=20, price_cents=10_400), live.buy(3, 10_400, "BOB")]
    yield [exchange.replace(resting, quantity=8, price_cents=None), exchange.cancel(resting)]
    yield [live.buy(25, 9_900, "ANN"), live.sell(25, 9_900, "BOB")]  # from short to long in one order
    yield [live.sell(40, 10_000), live.buy(40, 10_000, "CID"), live.sell(2, 30_000)]  # and back
    for price_cents in (12_000, 16_000, 20_000):
        yield [live.sell(1, price_cents, "CID"), live.buy(1, price_cents, "BOB")]
    yield [live.sell(100, 20_500, "CID")]


def test_the_steps_of_a_short_position_are_those_of_the_live_exchange(clearing_data: Database) -> None:
    both = BothExchanges(clearing_data, {"ANN": 400_000}, short_limit=60)
    owed: list[int] = []
    for number, step in enumerate(scenario(both), 1):
        both.trade(*step)
        both.compare()
        both.second(number)
        both.compare()
        owed.append(both.simulated.accounts.shares["ANN", "TSLA"].borrowed)
    assert owed == [10, 15, 18, 18, 0, 33, 33, 33, 33, 0]


def test_random_requests_lead_to_the_same_accounts_as_live(clearing_data: Database) -> None:
    both = BothExchanges(clearing_data, {"ANN": 2_000_000, "CID": 5_000_000, "DOT": 900_000}, short_limit=150)
    made = [one for one in both.live.exchange.every_kind(220) if getattr(one, "security_id", "TSLA") == "TSLA"]
    assert len(made) > 40
    owed = 0
    for number, request in enumerate(made, 1):
        both.trade(request)
        if number % 15 == 0:
            both.second(number)
            both.compare()
        owed += any(one.borrowed for one in both.simulated.accounts.shares.values())
    both.compare()
    assert owed > 10
