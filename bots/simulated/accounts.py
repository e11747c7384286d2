"""Keeps accounts, holdings and open orders in plain values, as Postgres does for the real exchange.

Order entry holds the cost of an order by taking it from the available amount. Clearing moves what is owned and returns
what an order no longer needs. The amount held is the difference between owned and available; at the end of each match
it must equal what the open orders need.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tasks.messages import PlaceOrder, Side
from tasks.order_entry.rules.risk import Funds, Shares
from tasks.order_entry.rules.rows import OpenOrder, PendingReplace, ReplaceableOrder, Widened
from tasks.order_execution.rules.changes import ChangedOrder, Decided, OrderChange, Settlement
from tasks.order_execution.rules.clearing import count_closed, release_fees, require_decided
from tasks.shared.rules.fees import fee_hold_cents
from tasks.shared.rules.loan_rows import ShortOrder


@dataclass(slots=True)
class RegisteredOrder:
    """An open order with the terms and fills of its last settlement [shares, cents]."""

    order_id: int
    client_id: str
    security_id: str
    type: str
    side: Side
    quantity: int
    price_cents: int
    hold_cents: int  # per share of a buy order
    fee_ppm: int  # rate at which a buy order also holds fees
    largest_quantity: int
    largest_hold_cents: int
    display_quantity: int | None
    owned_quantity: int | None = None  # of an order that sells short; see tasks.shared.rules.loans.split
    margin_price_cents: int | None = None
    is_buy_in: bool = False
    is_replaced: bool = False
    filled_quantity: int = 0
    closed_quantity: int = 0

    @property
    def open_quantity(self) -> int:
        """Shares that are neither filled nor closed."""
        return self.quantity - self.filled_quantity - self.closed_quantity

    def replaceable(self) -> ReplaceableOrder:
        """Return what a replacement needs. None is pending: the market decides each as soon as it is admitted."""
        return ReplaceableOrder(
            self.order_id,
            self.client_id,
            self.security_id,
            self.type,
            self.side,
            True,
            self.filled_quantity,
            self.price_cents,
            self.hold_cents,
            self.quantity,
            self.quantity,
            None,
            None,
            self.display_quantity,
            self.fee_ppm,
            self.largest_quantity,
            self.largest_hold_cents,
            self.filled_quantity + self.closed_quantity,
            self.owned_quantity,
            self.margin_price_cents,
        )

    @property
    def most(self) -> int:
        """The largest total that it has, or may get by a replacement."""
        return max(self.quantity, self.largest_quantity)

    def short(self) -> ShortOrder:
        """Return what an order that sells short holds."""
        assert self.owned_quantity is not None, "it sells short"
        return ShortOrder(
            self.most,
            self.owned_quantity,
            self.filled_quantity,
            self.closed_quantity,
            self.margin_price_cents or self.price_cents,
        )

    @property
    def fees_held_cents(self) -> int:
        """Cash held for fees; see db.clearing_data.tables.fee_hold."""
        if not self.fee_ppm:
            return 0
        open_quantity = self.largest_quantity - self.filled_quantity - self.closed_quantity
        return fee_hold_cents(open_quantity * self.largest_hold_cents, self.fee_ppm)


class Loans(Protocol):
    """The loans of a settlement, which the orders in it that sell short need; see `bots.simulated.lending`."""

    @property
    def orders(self) -> Mapping[int, RegisteredOrder]:
        """The orders that sell short and that the settlement changes, by id."""

    def settle(self, settlement: Settlement) -> None:
        """Lend, take back and secure, once the orders are changed."""


class Accounts:
    """The cash and shares of all clients, and the open orders by id.

    funds, shares    available amounts, as order entry counts them
    balances, owned  total amounts, available or held [cents, shares]
    booked           gains and losses in trades and fees according to the ledger, by client [cents]
    fees_cents       earnings of the exchange
    """

    def __init__(self) -> None:
        self.funds: dict[str, Funds] = {}
        self.shares: dict[tuple[str, str], Shares] = {}
        self.balances: dict[str, int] = {}
        self.owned: dict[tuple[str, str], int] = {}
        self.opening_balances: dict[str, int] = {}
        self.opening_shares: dict[tuple[str, str], int] = {}
        self.booked: dict[str, int] = {}
        self.fees_cents = 0
        self.orders: dict[int, RegisteredOrder] = {}
        self._of_client: dict[str, dict[int, RegisteredOrder]] = {}
        self._securities_of: dict[str, list[str]] = {}  # in which a client has or had shares, in the order of their ids
        self._pending: dict[tuple[int, int], int] = {}  # (order, command) -> reserved amount

    def open(self, client_id: str, cash_cents: int, shares: Mapping[str, int]) -> None:
        """Open an account with cash and shares. Raises ValueError if it exists."""
        if client_id in self.funds:
            raise ValueError(f"account {client_id} exists already")
        self.funds[client_id] = Funds(cash_cents, open_orders=0)
        self.balances[client_id] = self.opening_balances[client_id] = cash_cents
        self.booked[client_id] = 0
        self._of_client[client_id] = {}
        self._securities_of[client_id] = sorted(shares)
        for security_id, quantity in shares.items():
            owned = (client_id, security_id)
            self.shares[owned] = Shares(quantity)
            self.owned[owned] = self.opening_shares[owned] = quantity

    # -- order entry -------------------------------------------------------------------------------------------------

    def register(
        self,
        order: PlaceOrder,
        *,
        fee_ppm: int,
        owned: int | None = None,
        margin_price_cents: int | None = None,
        is_buy_in: bool = False,
    ) -> None:
        """Enter an admitted order.

        fee_ppm             rate at which buy orders of its security hold fees
        owned               of an order that sells short: how many of its shares belong to the client
        margin_price_cents  of such an order: the price by which it holds margin
        """
        hold_cents = order.hold_cents or order.price_cents
        entry = RegisteredOrder(
            order.order_id,
            order.client_id,
            order.security_id,
            order.type,
            order.side,
            order.quantity,
            order.price_cents,
            hold_cents,
            fee_ppm if order.side == "buy" else 0,
            order.quantity,
            hold_cents,
            order.display_quantity,
            owned,
            margin_price_cents,
            is_buy_in,
        )
        self.orders[order.order_id] = self._of_client[order.client_id][order.order_id] = entry

    def reserve(self, replace: PendingReplace, widened: Widened) -> None:
        """Enter an admitted replacement and the largest terms that its order may get."""
        order = self.orders[replace.order_id]
        order.is_replaced = True
        order.largest_quantity, order.largest_hold_cents, order.fee_ppm = widened[:3]
        if widened.owned_quantity is not None:
            order.owned_quantity, order.margin_price_cents = widened[3:]
        self._pending[replace.order_id, replace.command_id] = replace.reserved

    def open_orders(self, client_id: str) -> dict[int, OpenOrder]:
        """Return the client's open orders, oldest first."""
        return {
            order_id: OpenOrder(order_id, client_id, order.security_id, order.side)
            for order_id, order in self._of_client[client_id].items()
        }

    def orders_of(self, client_id: str) -> Collection[RegisteredOrder]:
        """Return the client's open orders, oldest first."""
        return self._of_client[client_id].values()

    def shares_of(self, client_id: str) -> dict[str, int]:
        """Return the client's shares less those that it owes, by security in the order of their ids."""
        owned, shares = self.owned, self.shares
        return {
            name: owned[client_id, name] - shares[client_id, name].borrowed for name in self._securities_of[client_id]
        }

    def shares_in(self, client_id: str) -> list[tuple[tuple[str, str], Shares]]:
        """Return the client's holdings in the order of the securities' ids."""
        return [((client_id, name), self.shares[client_id, name]) for name in self._securities_of[client_id]]

    def hold_in(self, owner: tuple[str, str]) -> Shares:
        """Return a client's holding of a security; begin with no shares."""
        shares = self.shares.setdefault(owner, Shares(0))
        if owner not in self.owned:
            self.owned[owner] = 0
            insort(self._securities_of[owner[0]], owner[1])
        return shares

    # -- clearing ----------------------------------------------------------------------------------------------------

    def secure(self, client_id: str, cents: int) -> None:
        """Require more collateral of a client, or less."""
        funds = self.funds[client_id]
        funds.collateral_cents += cents
        funds.available_cents -= cents

    def pay(self, client_id: str, cents: int) -> None:
        """Book a payment of the default fund."""
        self.balances[client_id] += cents
        self.funds[client_id].available_cents += cents
        self.booked[client_id] += cents

    def settle(self, settlement: Settlement, borrowing: Loans | None = None) -> None:
        """Book a settlement.

        borrowing  its loans, if it concerns a client that sells short
        raises  ExecutionRefused  it changes an order by more than is open
        """
        if settlement.decided:
            self._change_terms(settlement.orders)
        changed = self._change_orders(settlement.orders)
        closed = count_closed(settlement, changed)
        for client_id, orders in closed.items():
            self.funds[client_id].open_orders -= orders
        if settlement.decided:
            released = {
                (one.order_id, one.command_id)
                for one in settlement.decided
                if self._pending.pop((one.order_id, one.command_id), None) == one.reserved
            }
            require_decided(settlement, released)
        sold_short = borrowing.orders if borrowing is not None else {}
        fees = self._limit_fills(settlement.decided, sold_short) if settlement.decided else {}
        release_fees(settlement, changed, fees)
        if borrowing is not None:
            borrowing.settle(settlement)
        for client_id, account in settlement.accounts.items():
            self.balances[client_id] += account.balance_cents
            self.funds[client_id].available_cents += account.balance_cents - account.held_cents
        for owned, holding in settlement.holdings.items():
            shares = self.shares.get(owned) or self.hold_in(owned)
            self.owned[owned] += holding.shares
            shares.available += holding.shares - holding.held
        for entry in settlement.ledger:
            self.booked[entry.account] += entry.cash_cents
        for entry in settlement.fees:
            self.booked[entry.account] += entry.cash_cents
        self.fees_cents += settlement.earned_cents

    def _limit_fills(self, decided: Sequence[Decided], sold_short: Mapping[int, RegisteredOrder]) -> Counter[str]:
        """Reduce what replaced orders hold to what their totals need; return the cents for fees by client."""
        fees: Counter[str] = Counter()
        for one in decided:
            order = self.orders.get(one.order_id) or sold_short.get(one.order_id)
            if order is not None:
                before = order.fees_held_cents
                order.largest_quantity = order.quantity
                if order.owned_quantity is not None:
                    order.margin_price_cents = order.price_cents
                fees[one.client_id] += before - order.fees_held_cents
        return fees

    def _change_terms(self, changes: Mapping[int, OrderChange]) -> None:
        for order_id, change in changes.items():
            order = self.orders.get(order_id)
            if change.terms is not None and order is not None:
                order.quantity = change.terms.quantity
                order.price_cents = change.terms.price_cents
                order.hold_cents = change.terms.hold_cents

    def _change_orders(self, changes: Mapping[int, OrderChange]) -> list[ChangedOrder]:
        """Apply changes that fit the open quantity; return the changed orders and remove those that are now closed."""
        changed = []
        for order_id, change in changes.items():
            order = self.orders.get(order_id)
            if order is None or change.filled_quantity + change.closed_quantity > order.open_quantity:
                continue
            fees_before = order.fees_held_cents
            order.filled_quantity += change.filled_quantity
            order.closed_quantity += change.closed_quantity
            is_closed = not order.open_quantity
            if is_closed:
                del self.orders[order_id]
                del self._of_client[order.client_id][order_id]
            changed.append(
                ChangedOrder(
                    order_id,
                    order.client_id,
                    order.security_id,
                    order.side,
                    order.hold_cents,
                    order.is_replaced,
                    is_closed,
                    fees_before - (0 if is_closed else order.fees_held_cents),
                )
            )
        return changed

    @property
    def pending_replaces(self) -> int:
        """Number of replacements that are admitted but not decided."""
        return len(self._pending)
