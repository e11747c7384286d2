"""Random trades, closes, prices and orders of arrival, in memory: what is owed and required is always the same."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.messages import Execution, OrderClosed, Side, TradeMade, event_id
from tasks.order_execution.rules import lending
from tasks.order_execution.rules.clearing import clear
from tasks.shared.rules import loans
from tasks.shared.rules.loan_rows import Owner, Position, ShortOrder, ShortSale
from tasks.shared.rules.loans import Split

CLIENTS = ("ANN", "BOB", "CID")
SECURITY = "TSLA"
CASH_CENTS = 10_000_000
SHARES, ISSUED = 3, 10_000
# Steps of the random walk; each is an order, a fill or a close, and later the settlement of one of these.
# `--hypothesis-profile millions` makes them two million.
STEPS = 1_000 * settings.default.max_examples
STEPS_EACH = 2_000


@dataclass
class Order:
    """An order in the register: its split at admission, and what has settled of it."""

    order_id: int
    client_id: str
    side: Side
    quantity: int
    price_cents: int
    owned: int
    filled: int = 0
    closed: int = 0
    open: int = 0  # at the engine

    def short(self) -> ShortOrder:
        return ShortOrder(self.quantity, self.owned, self.filled, self.closed, self.price_cents)

    def holds(self) -> Split:
        return self.short().holds


@dataclass
class Books:
    """The tables of the clearinghouse, in memory; trades of clients in `closed_accounts` fail."""

    orders: dict[int, Order]
    closed_accounts: frozenset[str] = frozenset()
    positions: dict[Owner, Position] = field(
        default_factory=lambda: {(client_id, SECURITY): Position(SHARES, 0, 0, 0, 0) for client_id in CLIENTS}
    )
    balances: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(CLIENTS, CASH_CENTS)))
    held: Counter[str] = field(default_factory=Counter)
    collateral: Counter[str] = field(default_factory=Counter)
    sales: dict[str, dict[int, ShortSale]] = field(default_factory=lambda: {client_id: {} for client_id in CLIENTS})
    house_shares: int = ISSUED - SHARES * len(CLIENTS)
    promised: int = 0
    loans: int = 0  # entries of loans and returns

    def admit(self, order: Order) -> None:
        """Hold what an order needs, as order entry does."""
        self.orders[order.order_id] = order
        holds, owner = order.holds(), (order.client_id, SECURITY)
        if order.side == "buy":
            self.held[order.client_id] += order.quantity * order.price_cents
            return
        position = self.positions[owner]
        order.owned = min(order.quantity, position.shares - position.held)
        holds = order.holds()
        self.positions[owner] = position._replace(
            held=position.held + holds.owned, located=position.located + holds.short
        )
        self.held[order.client_id] += holds.margin_cents
        self.promised += holds.short

    def settle(self, batch: Sequence[Execution]) -> None:
        """Settle a batch as order execution does."""
        settlement = clear(batch, closed=self.closed_accounts)
        sells = {order_id: self.orders[order_id] for order_id in lending.sell_orders(settlement, CLIENTS)}
        for order_id, change in settlement.orders.items():
            self.orders[order_id].filled += change.filled_quantity
            self.orders[order_id].closed += change.closed_quantity
        after = {one.order_id: one.short() for one in sells.values()}
        located = lending.take_holds(settlement, {}, after)
        old = {owner: self.positions[owner] for owner in settlement.holdings}
        changes = lending.lend(settlement, old, located)
        sales = lending.sales_of(batch, settlement, CLIENTS)
        for sale in sales:
            self.sales[sale.client_id][sale.event_id] = sale
        owing = lending.unsecured(changes, old, sales)
        lending.secure(changes, owing, {owner: self.last_sales(owner[0]) for owner in owing})
        self.positions |= changes.positions
        self.loans += len(changes.entries)
        self.collateral += changes.collateral_cents
        self.house_shares -= changes.lent[SECURITY]
        self.promised += changes.located[SECURITY]
        for client_id, account in settlement.accounts.items():
            self.balances[client_id] += account.balance_cents
            self.held[client_id] += account.held_cents

    def last_sales(self, client_id: str) -> list[tuple[int, int]]:
        sales = self.sales[client_id]
        return [(sales[number].quantity, sales[number].price_cents) for number in sorted(sales, reverse=True)]

    def check(self) -> None:
        """Check what must hold after every step."""
        holds: Counter[str] = Counter()
        held: Counter[str] = Counter()
        located: Counter[str] = Counter()
        for order in self.orders.values():
            if order.side == "buy":
                holds[order.client_id] += (order.quantity - order.filled - order.closed) * order.price_cents
            else:
                split = order.holds()
                assert min(split) >= 0
                holds[order.client_id] += split.margin_cents
                held[order.client_id] += split.owned
                located[order.client_id] += split.short
        assert +self.held == +holds
        assert sum(self.balances.values()) == CASH_CENTS * len(CLIENTS)
        for (client_id, _), position in self.positions.items():
            assert position.held == held[client_id]
            assert position.located == located[client_id]
            assert 0 <= position.held <= position.shares
            assert position.borrowed == 0 or (position.borrowed > 0 and position.shares == position.held)
            assert position.sold_cents == loans.sold_cents(self.last_sales(client_id), position.borrowed)
            assert self.collateral[client_id] == loans.collateral_cents(position.sold_cents)
            assert 0 <= self.held[client_id] <= self.balances[client_id]
        assert self.promised == sum(located.values())
        assert 0 <= self.promised <= self.house_shares
        assert self.house_shares + sum(one.shares for one in self.positions.values()) == ISSUED

    def outcome(self) -> tuple[object, ...]:
        return self.positions, +self.balances, +self.held, +self.collateral, self.house_shares, self.promised


def walk(chance: random.Random, steps: int) -> tuple[Books, list[Execution]]:
    """Place orders, and fill and close them, without a settlement; return the books and the executions.

    In every second case, CID's account is closed before anything settles.
    """
    books = Books({}, frozenset({"CID"} if chance.random() < 0.5 else ()))
    executions: list[Execution] = []
    live: list[Order] = []
    sequence = 0
    for number in range(1, steps + 1):
        if chance.random() < 0.4 or len(live) < 4:
            side: Side = chance.choice(("buy", "sell"))
            quantity = chance.randint(1, 30)
            price_cents = 100 + chance.randint(-20, 20)
            order = Order(number, chance.choice(CLIENTS), side, quantity, price_cents, 0, open=quantity)
            needed = quantity * price_cents
            if books.held[order.client_id] + needed > CASH_CENTS or books.promised + quantity > 2_000:
                continue
            books.admit(order)
            live.append(order)
            continue
        buys = [one for one in live if one.side == "buy"]
        sells = [one for one in live if one.side == "sell"]
        if chance.random() < 0.25 or not buys or not sells:
            executions.append(close(chance.choice(live), number))
        else:
            buy, sell = chance.choice(buys), chance.choice(sells)
            if buy.price_cents < sell.price_cents or buy.client_id == sell.client_id:
                continue
            sequence += 1
            executions.append(fill(buy, sell, chance, number, sequence))
        live = [one for one in live if one.open]
    return books, executions


def close(order: Order, number: int) -> OrderClosed:
    quantity, order.open = order.open, 0
    return OrderClosed(
        event_id(0, number, 0),
        order.order_id,
        order.client_id,
        SECURITY,
        order.side,
        quantity,
        order.price_cents if order.side == "buy" else 0,
        "cancelled",
        "cancelled",
        number,
    )


def fill(buy: Order, sell: Order, chance: random.Random, number: int, sequence: int) -> TradeMade:
    quantity = chance.randint(1, min(buy.open, sell.open))
    buy.open -= quantity
    sell.open -= quantity
    return TradeMade(
        event_id(0, number, 0),
        SECURITY,
        sequence,
        chance.randint(sell.price_cents, buy.price_cents),
        quantity,
        "buy",
        buy.order_id,
        buy.client_id,
        buy.price_cents,
        sell.order_id,
        sell.client_id,
        number,
    )


def copy_of(books: Books) -> Books:
    orders = {number: Order(**vars(one)) for number, one in books.orders.items()}
    return Books(
        orders,
        books.closed_accounts,
        dict(books.positions),
        Counter(books.balances),
        Counter(books.held),
        Counter(books.collateral),
        {client_id: dict(sales) for client_id, sales in books.sales.items()},
        books.house_shares,
        books.promised,
    )


def settle_in_any_order(books: Books, executions: list[Execution], chance: random.Random, *, check_every: int) -> None:
    """Settle batches of random sizes in random order; check the books every few batches."""
    left = list(executions)
    chance.shuffle(left)
    batches = 0
    while left:
        size = chance.choice((1, 1, 2, 5, 20))
        batch = sorted(left[:size], key=lambda one: one.event_id)
        del left[:size]
        books.settle(batch)
        batches += 1
        if batches % check_every == 0:
            books.check()
    books.check()


@pytest.mark.parametrize("seed", range(STEPS // STEPS_EACH))
def test_the_outcome_does_not_depend_on_the_order_of_arrival(seed: int) -> None:
    chance = random.Random(seed)
    books, executions = walk(chance, STEPS_EACH)
    in_order = copy_of(books)
    in_order.settle(executions)
    in_order.check()
    settle_in_any_order(books, executions, chance, check_every=25)
    assert books.loans > 10
    assert books.outcome() == in_order.outcome()


@given(seed=st.integers(0, 2**32))
@settings(deadline=None)
def test_every_step_leaves_sound_books(seed: int) -> None:
    """Small cases, checked after every batch; `--hypothesis-profile millions` plays millions of steps."""
    chance = random.Random(seed)
    books, executions = walk(chance, 60)
    in_order = copy_of(books)
    in_order.settle(executions)
    settle_in_any_order(books, executions, chance, check_every=1)
    assert books.outcome() == in_order.outcome()
