"""Records a match: the log of its commands, its trades, and all accounts over time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import sha256

from bots.simulated.exchange import Exchange
from bots.simulated.outcome import AccountSample, BotOutcome, Fill, MarketSample, Print
from tasks.messages import (
    CancelRefused,
    CancelRequest,
    Command,
    Event,
    MassCancelRequest,
    OrderClosed,
    OrderRequest,
    ReplaceRefused,
    ReplaceRequest,
    Request,
    Side,
    TradeMade,
    encode,
)
from tasks.order_execution.rules.changes import FeeRates
from tasks.shared.rules.fees import fee_cents, rate_ppm

_NO_FEES = FeeRates(0, 0)
# The names of requests in an outcome.
_KINDS: dict[type[Request], str] = {
    OrderRequest: "orders",
    CancelRequest: "cancels",
    ReplaceRequest: "replaces",
    MassCancelRequest: "mass_cancels",
}
# Events that end an order or refuse a request.
_DENIALS = (OrderClosed, CancelRefused, ReplaceRefused)
# Lines that are hashed together.
_LINES = 512


class HashedLines:
    """Hashes lines and passes them on.

    keep  receives the lines, many at a time; None keeps only the hash
    """

    def __init__(self, keep: Callable[[bytes], object] | None = None) -> None:
        self._keep = keep
        self._hash = sha256()
        self._lines: list[bytes] = []

    def add(self, message: Command | TradeMade) -> None:
        """Add a message as a line."""
        self._lines.append(encode(message))
        if len(self._lines) >= _LINES:
            self._write()

    def digest(self) -> str:
        """Return the SHA-256 of all lines as hexadecimal digits."""
        self._write()
        return self._hash.hexdigest()

    def _write(self) -> None:
        if self._lines:
            text = b"\n".join([*self._lines, b""])
            self._lines = []
            self._hash.update(text)
            if self._keep is not None:
                self._keep(text)


class Record:
    """The course of a match up to now.

    log  receives the commands as lines of JSON, many at a time; None keeps only their hash
    """

    def __init__(self, exchange: Exchange, start_us: int, log: Callable[[bytes], object] | None) -> None:
        self.log = HashedLines(log)
        self.trades = HashedLines()
        self.bots: dict[str, BotOutcome] = {}
        self.market: list[MarketSample] = []
        self.prints: list[Print] = []
        self._exchange = exchange
        self._start_us = start_us
        self._volumes: Counter[str] = Counter()
        self.trades_made = 0

    # -- events ------------------------------------------------------------------------------------------------------

    def requested(self, request: Request, denied: str | None) -> None:
        """Record a request that has reached the exchange; `denied` is the reason of a denial."""
        bot = self.bots.get(getattr(request, "client_id", ""))
        if bot is None:
            return
        bot.requests[_KINDS[type(request)]] += 1
        if denied is not None:
            bot.denials[denied] += 1
            if isinstance(request, OrderRequest):
                bot.rejected[denied] += 1

    def happened(self, events: Sequence[Event]) -> None:
        """Record the events of a command."""
        for event in events:
            if type(event) is TradeMade:
                self._traded(event)
            elif isinstance(event, _DENIALS) and event.client_id in self.bots:
                bot = self.bots[event.client_id]
                bot.denials[event.reason] += 1
                if isinstance(event, OrderClosed):
                    (bot.rejected if event.status == "rejected" else bot.closed)[event.reason] += 1

    def _traded(self, trade: TradeMade) -> None:
        self.trades.add(trade)
        self.trades_made = number = self.trades_made + 1
        self._volumes[trade.security_id] += trade.quantity
        time_us, security_id = trade.traded_us - self._start_us, trade.security_id
        quantity, price_cents = trade.quantity, trade.price_cents
        self.prints.append(Print(time_us, security_id, price_cents, quantity, trade.aggressor_side))
        rates = self._exchange.rates.get(security_id, _NO_FEES)
        buyer_takes, seller_takes = trade.aggressor_side == "buy", trade.aggressor_side == "sell"
        buyer, seller = self.bots.get(trade.buyer), self.bots.get(trade.seller)
        if buyer is not None:
            fee = _fee_cents(trade, "buy", rates)
            buyer.fills.append(
                Fill(
                    time_us, security_id, trade.buy_order_id, "buy", quantity, price_cents, not buyer_takes, fee, number
                )
            )
        if seller is not None:
            fee = _fee_cents(trade, "sell", rates)
            seller.fills.append(
                Fill(
                    time_us,
                    security_id,
                    trade.sell_order_id,
                    "sell",
                    quantity,
                    price_cents,
                    not seller_takes,
                    fee,
                    number,
                )
            )

    # -- samples -----------------------------------------------------------------------------------------------------

    def sample(self, time_s: float) -> None:
        """Sample all accounts and the market."""
        accounts = self._exchange.accounts
        for security_id, last_cents in self._exchange.last_cents.items():
            bids, asks = self._exchange.engine.best_levels(security_id, 1)
            bid = bids[0] if bids else (None, 0, 0)
            ask = asks[0] if asks else (None, 0, 0)
            self.market.append(
                MarketSample(
                    time_s, security_id, bid[0], bid[1], ask[0], ask[1], last_cents, self._volumes[security_id]
                )
            )
        for client_id, bot in self.bots.items():
            shares = accounts.shares_of(client_id)
            balance_cents = accounts.balances[client_id]
            bot.samples.append(AccountSample(time_s, self._equity(balance_cents, shares), balance_cents, shares))

    def finish(self) -> None:
        """Record the final state of all accounts."""
        accounts = self._exchange.accounts
        for client_id, bot in self.bots.items():
            funds = accounts.funds[client_id]
            bot.cash_cents = accounts.balances[client_id]
            bot.held_cents = bot.cash_cents - funds.available_cents
            bot.shares = accounts.shares_of(client_id)
            bot.equity_cents = self._equity(bot.cash_cents, bot.shares)
            bot.open_orders = funds.open_orders
            bot.fund_cents = self._exchange.lending.paid_cents[client_id]

    def _equity(self, balance_cents: int, shares: dict[str, int]) -> int:
        last_cents = self._exchange.last_cents
        return balance_cents + sum(quantity * last_cents[security_id] for security_id, quantity in shares.items())


def _fee_cents(trade: TradeMade, side: Side, rates: FeeRates) -> int:
    """Return the fee that one side of a trade pays, as clearing computes it."""
    if rates is _NO_FEES:
        return 0
    rate = rate_ppm(side, trade.aggressor_side, maker_ppm=rates.maker_ppm, taker_ppm=rates.taker_ppm)
    return fee_cents(trade.quantity * trade.price_cents, rate)
