"""Selling short in the simulated market: loans, collateral, margin and buy-ins by the rules of the exchange.

Only clients that ever sold short take part, as on the exchange; without one, nothing of this runs.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

from bots.simulated.accounts import Accounts, RegisteredOrder
from bots.simulated.configuration import SHARD
from tasks.messages import Execution, OrderRequest
from tasks.order_entry.rules.buy_ins import BoughtIn, BuyIns, ClientOrder, OwedShares, is_due, plan
from tasks.order_entry.rules.decisions import Limits
from tasks.order_entry.rules.risk import Debt, Lendable
from tasks.order_execution.rules.changes import Settlement
from tasks.order_execution.rules.lending import lend, sales_of, secure, sell_orders, take_holds, unsecured
from tasks.order_execution.rules.margin import Owed, OwingAccount, payments, to_buy_in
from tasks.shared.rules.loan_rows import Loans, Owner, Position, ShortOrder, ShortSale
from tasks.shared.rules.loans import requirement_cents
from tasks.shared.rules.securities import Security


@dataclass(slots=True)
class ShortSeller:
    """A client that ever sold short.

    buy_in_us   when its buy-in began; tried_us is the last attempt
    fund_cents  cash that the default fund has paid for it since then
    """

    buy_in_us: int | None = None
    tried_us: int | None = None
    fund_cents: int = 0


class Lending:
    """The loans of DTCC and the debts of clients.

    at_first    by security: the shares that DTCC can lend at the start
    lendable    by security: the shares that DTCC has neither lent nor promised
    sold_cents  by client and security: the proceeds of the owed shares
    fund_cents  cash that the default fund starts with
    paid_cents  by client: cash that the default fund has paid and did not get back
    """

    def __init__(self, accounts: Accounts, lendable: Mapping[str, int], *, fund_cents: int = 0) -> None:
        self.lendable = {security_id: Lendable(shares) for security_id, shares in lendable.items()}
        self.at_first = dict(lendable)
        self.sellers: dict[str, ShortSeller] = {}
        self.sold_cents: dict[Owner, int] = {}
        self.fund_cents = fund_cents
        self.paid_cents: Counter[str] = Counter()
        self.accounts = accounts
        self._sales: dict[Owner, list[ShortSale]] = {}

    # -- order entry -------------------------------------------------------------------------------------------------

    def required_cents(self, client_id: str, last_cents: Mapping[str, int]) -> int:
        """Return the least margin of a client, by the shares that it owes."""
        if client_id not in self.sellers:
            return 0
        owed = self.accounts.shares_in(client_id)
        return requirement_cents(sum(one.borrowed * last_cents[owner[1]] for owner, one in owed if one.borrowed))

    def debts(self, order: OrderRequest, last_cents: Mapping[str, int]) -> dict[Owner, Debt]:
        """Return the debts of a client that buys."""
        accounts, client_id = self.accounts, order.client_id
        if order.side != "buy" or client_id not in self.sellers:
            return {}
        return {
            owner: Debt(
                shares.borrowed,
                self.sold_cents[owner],
                sum(
                    one.most - one.filled_quantity - one.closed_quantity
                    for one in accounts.orders_of(client_id)
                    if one.side == "buy" and one.security_id == owner[1]
                ),
                last_cents[owner[1]],
            )
            for owner, shares in accounts.shares_in(client_id)
            if shares.borrowed
        }

    def note(self, client_id: str, security_id: str) -> None:
        """Note a client whose admitted order may borrow shares."""
        shares = self.accounts.shares.get((client_id, security_id))
        if shares is not None and shares.newly_located:
            shares.newly_located = 0
            self.accounts.hold_in((client_id, security_id))
            self.sellers.setdefault(client_id, ShortSeller())

    # -- clearing ----------------------------------------------------------------------------------------------------

    def borrowing(self, executions: Sequence[Execution], settlement: Settlement) -> Borrowing | None:
        """Return the loans of a settlement that is about to be booked; None if it concerns no short seller."""
        clients = [client_id for client_id in settlement.accounts if client_id in self.sellers]
        return Borrowing(self, executions, settlement, clients) if clients else None

    def position(self, owner: Owner) -> Position:
        """Return the position of a client in a security."""
        shares, owned = self.accounts.shares[owner], self.accounts.owned[owner]
        return Position(owned, owned - shares.available, shares.borrowed, shares.located, self.sold_cents.get(owner, 0))

    def last_sales(self, owing: Iterable[Owner]) -> dict[Owner, list[tuple[int, int]]]:
        """Return the sales of these clients, the last one first."""
        return {
            owner: [(one.quantity, one.price_cents) for one in reversed(self._sales.get(owner, []))] for owner in owing
        }

    def record(self, sales: Iterable[ShortSale]) -> None:
        """Record new sales."""
        for sale in sales:
            of_owner = self._sales.setdefault((sale.client_id, sale.security_id), [])
            insort(of_owner, sale, key=attrgetter("event_id"))

    def write(self, changes: Loans) -> None:
        """Write the changes of a settlement."""
        accounts = self.accounts
        for owner, new in changes.positions.items():
            shares = accounts.shares[owner]
            accounts.owned[owner] = new.shares
            shares.available = new.shares - new.held
            shares.borrowed, shares.located = new.borrowed, new.located
            self.sold_cents[owner] = new.sold_cents
            if not new.borrowed:
                self._sales.pop(owner, None)  # later debts follow from later sales: each is at most what these sell
        for client_id, cents in changes.collateral_cents.items():
            accounts.secure(client_id, cents)
        for security_id in {*changes.lent, *changes.located}:
            lendable = self.lendable[security_id]
            lendable.available -= changes.lent[security_id] + changes.located[security_id]

    # -- margin ------------------------------------------------------------------------------------------------------

    @property
    def is_active(self) -> bool:
        """Whether a client owes shares or is being bought in."""
        return any(one.buy_in_us is not None for one in self.sellers.values()) or any(
            self.accounts.funds[client_id].collateral_cents for client_id in self.sellers
        )

    def owing(self, clients: Collection[str], last_cents: Mapping[str, int]) -> list[OwingAccount]:
        """Return the accounts among these that owe shares or are being bought in, by their names."""
        return [
            self._account(client_id, last_cents)
            for client_id in sorted(clients)
            if client_id in self.sellers
            and (self.sellers[client_id].buy_in_us is not None or self.accounts.funds[client_id].collateral_cents)
        ]

    def begin_buy_ins(self, accounts: Sequence[OwingAccount], now_us: int) -> None:
        """Begin the buy-ins of the accounts whose margin is too small."""
        for one in to_buy_in(accounts):
            self.sellers[one.client_id].buy_in_us = now_us
            self.accounts.funds[one.client_id].state = "buy_in"

    def check(self, last_cents: Mapping[str, int], now_us: int) -> None:
        """Check the margin of all clients, and let the default fund pay or get its cash back."""
        found = self.owing(self.sellers, last_cents)
        concerned = [one for one in found if one.buy_in_us is not None or one.excess_cents < 0]
        self.begin_buy_ins(concerned, now_us)
        fund_cents = self.fund_cents + self.accounts.fees_cents - self.paid_cents.total()
        for payment in payments(concerned, fund_cents=fund_cents):
            seller = self.sellers[payment.client_id]
            self.accounts.pay(payment.client_id, payment.cents)
            self.paid_cents[payment.client_id] += payment.cents
            seller.fund_cents += payment.cents
            if payment.is_over:
                self.accounts.funds[payment.client_id].state = "open"
                self.sellers[payment.client_id] = ShortSeller()

    def purchases(
        self, securities: Mapping[str, Security], numbers: Iterable[int], *, limits: Limits, now_us: int
    ) -> BuyIns:
        """Plan the cancels and purchases of buy-ins that are due, and note the attempt."""
        due = [one for one in self._bought_in() if is_due(one, now_us)]
        made = plan(due, securities, numbers, limits=limits, now_us=now_us) if due else BuyIns()
        for client_id in made.tried:
            self.sellers[client_id].tried_us = now_us
        for client_id, (cents, orders) in made.held_cents.items():
            funds = self.accounts.funds[client_id]
            funds.available_cents -= cents
            funds.open_orders += orders
        return made

    def _bought_in(self) -> list[BoughtIn]:
        accounts = self.accounts
        found = []
        for client_id, seller in sorted(self.sellers.items()):
            if seller.buy_in_us is None:
                continue
            funds = accounts.funds[client_id]
            orders = [
                ClientOrder(one.order_id, one.security_id, SHARD, one.is_buy_in)
                for one in accounts.orders_of(client_id)
            ]
            found.append(
                BoughtIn(
                    client_id,
                    funds.available_cents + funds.collateral_cents,
                    seller.buy_in_us,
                    seller.tried_us,
                    [
                        OwedShares(owner[1], one.borrowed)
                        for owner, one in accounts.shares_in(client_id)
                        if one.borrowed
                    ],
                    sorted(orders),
                )
            )
        return found

    def _account(self, client_id: str, last_cents: Mapping[str, int]) -> OwingAccount:
        accounts, seller = self.accounts, self.sellers[client_id]
        funds, balance_cents = accounts.funds[client_id], accounts.balances[client_id]
        return OwingAccount(
            client_id,
            balance_cents,
            balance_cents - funds.available_cents - funds.collateral_cents,
            funds.collateral_cents,
            funds.open_orders,
            seller.buy_in_us,
            seller.fund_cents,
            [
                Owed(owner[1], one.borrowed, last_cents[owner[1]])
                for owner, one in accounts.shares_in(client_id)
                if one.borrowed
            ],
        )


class Borrowing:
    """The loans of one settlement: create it before the settlement is booked, settle it once the orders are changed."""

    def __init__(
        self, lending: Lending, executions: Sequence[Execution], settlement: Settlement, clients: Collection[str]
    ) -> None:
        orders = lending.accounts.orders
        self.clients = clients
        self.orders: dict[int, RegisteredOrder] = {}
        for order_id in sell_orders(settlement, clients):
            order = orders.get(order_id)
            if order is not None and order.owned_quantity is not None:
                self.orders[order_id] = order
        replaced = {one.order_id for one in settlement.decided}
        self._before = {order_id: one.short() for order_id, one in self.orders.items() if order_id in replaced}
        self._sales = sales_of(executions, settlement, clients)
        self._lending = lending

    def settle(self, settlement: Settlement) -> None:
        """Lend, take back and secure; the settlement keeps what no short seller's position changes."""
        lending = self._lending
        after: dict[int, ShortOrder] = {order_id: one.short() for order_id, one in self.orders.items()}
        known = lending.accounts.shares
        old = {
            owner: lending.position(owner)
            for owner in settlement.holdings
            if owner[0] in self.clients and owner in known
        }
        located = take_holds(settlement, self._before, after)
        changes = lend(settlement, old, located)
        owing = unsecured(changes, old, self._sales)
        lending.record(self._sales)
        secure(changes, owing, lending.last_sales(owing))
        lending.write(changes)
