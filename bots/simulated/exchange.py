"""Runs the stages of the exchange one after the other: order entry, matching and clearing of one shard.

It has no clock and sends nothing: the caller gives the time and forwards the results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from dataclasses import replace as other
from operator import attrgetter
from typing import Final

from bots.simulated.accounts import Accounts
from bots.simulated.configuration import SHARD, Listing
from bots.simulated.lending import Lending
from tasks.matching.rules.engine import Engine
from tasks.messages import (
    CancelRequest,
    Command,
    Event,
    Execution,
    Expire,
    MassCancelRequest,
    OrderClosed,
    OrderReplaced,
    OrderRequest,
    PlaceOrder,
    ReplaceRefused,
    ReplaceRequest,
    Request,
    TradeMade,
)
from tasks.order_entry.rules.buy_ins import REASON as BUY_IN
from tasks.order_entry.rules.decide import decide
from tasks.order_entry.rules.decisions import Admitted, Decision, Denied, Limits, Waiting
from tasks.order_entry.rules.desk import Desk
from tasks.order_entry.rules.orders import fee_ppm
from tasks.order_entry.rules.reservation import Terms
from tasks.order_entry.rules.rows import KnownOrder
from tasks.order_execution.rules.changes import FeeRates
from tasks.order_execution.rules.clearing import clear
from tasks.shared.rules.securities import Security

# Stands for an order that is no longer open; no client owns it.
_GONE: Final = KnownOrder("", "", is_open=False)
_OF_AN_ORDER: Final = (CancelRequest, ReplaceRequest)
_NAMES: Final = tuple(term.name for term in fields(Security))
_TERMS: Final = attrgetter(*_NAMES)
_LAST_PRICE: Final = _NAMES.index("last_price_cents")
# Events that are cleared immediately, however long trades take to settle.
_AT_ONCE: Final = frozenset({OrderClosed, OrderReplaced, ReplaceRefused})


class Exchange:
    """The rules, books and accounts of an exchange. Raises ValueError if a security is listed twice.

    fund_cents  cash of the default fund at the start, in addition to the fees that it earns
    rates       fees of the securities that have any
    last_cents  price of the last trade, or the reference price before the first one [cents/share]
    """

    def __init__(self, listings: Sequence[Listing], limits: Limits, *, fund_cents: int = 0) -> None:
        self.accounts = Accounts()
        self.engine = Engine(SHARD)
        self.last_cents: dict[str, int] = {}
        securities: dict[str, Security] = {}
        for listing in listings:
            if listing.security_id in securities:
                raise ValueError(f"{listing.security_id} is listed twice")
            securities[listing.security_id] = _security(listing)
        for security in securities.values():
            self.last_cents[security.security_id] = security.last_price_cents or 0
        self.rates = {
            one.security_id: FeeRates(one.maker_fee_ppm, one.taker_fee_ppm)
            for one in securities.values()
            if one.maker_fee_ppm or one.taker_fee_ppm
        }
        self.lending = Lending(
            self.accounts, {one.security_id: one.lendable_shares for one in listings}, fund_cents=fund_cents
        )
        self._desk = Desk(
            funds=self.accounts.funds,
            shares=self.accounts.shares,
            securities=securities,
            limits=limits,
            now_us=0,
            shards=(SHARD,),
            patient=False,  # a client's requests arrive in the order in which the client sends them
            follows=False,
            lendable=self.lending.lendable,
        )

    @property
    def securities(self) -> dict[str, Security]:
        """The listed securities by id."""
        return self._desk.securities

    @property
    def command_seq(self) -> int:
        """Number of the last command in the log."""
        return self.engine.seq

    def open(self, client_id: str, cash_cents: int, shares: Mapping[str, int], *, short_limit: int = 0) -> None:
        """Open an account; `short_limit` is how many shares of each security it may owe. Raises ValueError."""
        self.accounts.open(client_id, cash_cents, shares)
        if short_limit:
            self.accounts.funds[client_id].limits = other(self._desk.limits, short_limit=short_limit)

    # -- order entry -------------------------------------------------------------------------------------------------

    def admit(self, request: Request, now_us: int) -> Admitted | Denied:
        """Decide a request and hold what it may cost; the caller must execute an admitted command next."""
        desk = self._desk
        desk.now_us = now_us
        if type(request) is OrderRequest:
            if request.price_cents is None:
                self._refresh(request.security_id)
            if self.lending.sellers:
                desk.debts = self.lending.debts(request, self.last_cents)
        else:
            self._look_up(request)
        decision = self._decide(request)
        assert not isinstance(decision, Waiting), "a desk that is not patient decides at once"
        if desk.marks:
            # Requests arrive in order, so no order comes after its cancel.
            desk.marks.clear()
            desk.new_marks.clear()
        if type(decision) is Admitted:
            command = decision.command
            if type(command) is PlaceOrder:
                owned = margin_price = None
                if desk.owned:
                    owned, margin_price = (of.pop(command.order_id, None) for of in (desk.owned, desk.margin_prices))
                self.accounts.register(
                    command,
                    fee_ppm=fee_ppm(desk.securities[command.security_id]),
                    owned=owned,
                    margin_price_cents=margin_price,
                )
                if owned is not None:
                    self.lending.note(command.client_id, command.security_id)
                funds = desk.funds[command.client_id]
                funds.open_orders += funds.newly_open
                funds.newly_open = 0
            elif desk.replaced:
                replaced = desk.replaced.pop()
                widened = desk.widened.pop(replaced.order_id)
                self.accounts.reserve(replaced, widened)
                if widened.owned_quantity is not None:
                    self.lending.note(replaced.client_id, self.accounts.orders[replaced.order_id].security_id)
            elif desk.changes.phases:
                desk.changes.phases.clear()
        return decision

    def _decide(self, request: Request) -> Decision:
        """Decide a request; meanwhile the cash that owed shares require beyond their collateral is not available."""
        desk = self._desk
        if not self.lending.sellers or not isinstance(request, OrderRequest | ReplaceRequest):
            return decide(desk, request)
        required_cents = self.lending.required_cents(request.client_id, self.last_cents)
        if not required_cents:
            return decide(desk, request)
        funds = desk.funds[request.client_id]
        funds.require(required_cents)
        decision = decide(desk, request)
        funds.available_cents += max(required_cents - funds.collateral_cents, 0)
        funds.required_cents = 0
        return decision

    def _refresh(self, security_id: str) -> None:
        """Give a security its last price, from which order entry computes the collar of a market order."""
        securities = self._desk.securities
        security, last_cents = securities.get(security_id), self.last_cents.get(security_id)
        if security is not None and security.last_price_cents != last_cents:
            terms = list(_TERMS(security))
            terms[_LAST_PRICE] = last_cents
            securities[security_id] = Security(*terms)  # `replace` takes five times as long

    def _look_up(self, request: Request) -> None:
        """Put on the desk the orders that a request names."""
        desk, orders = self._desk, self.accounts.orders
        if isinstance(request, _OF_AN_ORDER):
            order = orders.get(request.order_id)
            known = _GONE if order is None else KnownOrder(order.client_id, order.security_id, is_open=True)
            desk.orders = {request.order_id: known}
            if isinstance(request, ReplaceRequest):
                desk.terms = {} if order is None else {request.order_id: Terms.of_registered(order.replaceable())}
        elif isinstance(request, MassCancelRequest) and request.client_id in desk.funds:
            desk.open_orders = {request.client_id: self.accounts.open_orders(request.client_id)}

    # -- matching ----------------------------------------------------------------------------------------------------

    def execute(self, command: Command) -> list[Event]:
        """Apply the next command to the books and return its events."""
        return self.engine.apply(self.engine.seq + 1, command)

    # -- clearing ----------------------------------------------------------------------------------------------------

    def settle(self, executions: Sequence[Execution], now_us: int = 0) -> None:
        """Clear executions and book the settlement. Raises ExecutionRefused."""
        settlement = clear(executions, rates=self.rates)
        borrowing = self.lending.borrowing(executions, settlement) if self.lending.sellers else None
        self.accounts.settle(settlement, borrowing)
        for security_id, price in settlement.last_prices.items():
            self.last_cents[security_id] = price.price_cents
        if borrowing is not None:
            self.lending.begin_buy_ins(self.lending.owing(borrowing.clients, self.last_cents), now_us)

    def buy_in(self, numbers: Callable[[], int], now_us: int) -> list[Expire | PlaceOrder]:
        """Check the margin of all clients that owe shares; return the cancels and purchases of buy-ins to execute."""
        lending, desk = self.lending, self._desk
        lending.check(self.last_cents, now_us)
        for security_id in desk.securities:
            self._refresh(security_id)
        made = lending.purchases(desk.securities, iter(numbers, 0), limits=desk.limits, now_us=now_us)
        for _, order, rate_ppm in made.purchases:
            self.accounts.register(order, fee_ppm=rate_ppm, is_buy_in=True)
        cancels = [Expire(numbers(), orders, now_us, BUY_IN) for orders in made.cancels.values()]
        return [*cancels, *(order for _, order, _ in made.purchases)]

    @staticmethod
    def split(events: Iterable[Event]) -> tuple[list[TradeMade], list[Execution]]:
        """Return the trades, and the executions that are cleared immediately; other events need no clearing."""
        trades: list[TradeMade] = []
        at_once: list[Execution] = []
        for event in events:
            if type(event) is TradeMade:
                trades.append(event)
            elif type(event) in _AT_ONCE:
                at_once.append(event)  # type: ignore[arg-type]  # by its type
        return trades, at_once


def _security(listing: Listing) -> Security:
    return Security(
        security_id=listing.security_id,
        shard=SHARD,
        tick_cents=listing.tick_cents,
        min_price_cents=listing.min_price_cents,
        max_price_cents=listing.max_price_cents,
        issued_shares=0,
        last_price_cents=listing.reference_cents,
        maker_fee_ppm=listing.maker_fee_ppm,
        taker_fee_ppm=listing.taker_fee_ppm,
    )
