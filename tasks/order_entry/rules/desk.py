"""The state on which the requests of one batch are decided, including the changes made by earlier requests of it.

The worker holds the locks on the accounts, so the desk's values for them stay true until the batch is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from tasks.messages import OrderRequest, PlaceOrder
from tasks.order_entry.rules.decisions import Limits
from tasks.order_entry.rules.reservation import Terms
from tasks.order_entry.rules.risk import Debt, Funds, Lendable, Shares
from tasks.order_entry.rules.rows import ANY_ORDER, CancelMark, KnownOrder, OpenOrder, PendingReplace, Widened
from tasks.order_entry.rules.security_changes import SecurityChanges
from tasks.shared.rules.securities import Security


@dataclass(slots=True)
class Desk:
    """The state of a batch.

    funds, shares   by client, and by client and security: the locked accounts; changed by admitted requests
    securities      the listed ones, by id; changed by requests about them
    limits, now_us  the settings, and when the batch is sequenced
    shards          the shards that exist; only with mass cancels in the batch
    orders          by order id: what cancels and replacements need to know about the orders that they name
    terms           by order id: the terms that open orders named by replacements may have at the engine
    open_orders     by client and order id: the open orders of clients with mass cancels
    lendable        by security: what DTCC can lend; only where a client with a short limit sells more than it has
    debts           by client and security: what buying clients owe
    owned           by order id, for the batch's orders that sell short: how many of the shares belong to the client
    margin_prices   by order id, for these orders: the price by which they hold margin [cents]
    positions       by client and security: shares held and in open buy orders; only where there is a limit on them
    issued_below    every order id issued so far is below it
    patient         whether a replacement may wait for its order
    waiting         how many replacements of each client are already waiting; added to
    follows         whether requests of the batch name orders, so that later ones must see the orders before them
    marks           by client: the marks of cancels for orders that arrive after them; added to
    new_marks       by key: the marks that the batch's cancels leave
    taken           pairs (client_id, client_order_id) that already stand for other orders; added to
    replaced        the reservations of admitted replacements
    widened         by order id: the extremes that these replacements allow the orders to reach
    changes         changes of securities, and what they depend on; only with requests about securities in the batch
    """

    funds: Mapping[str, Funds]
    shares: dict[tuple[str, str], Shares]
    securities: dict[str, Security]
    limits: Limits
    now_us: int
    shards: Collection[int] = ()
    orders: dict[int, KnownOrder] = field(default_factory=dict)
    terms: dict[int, Terms] = field(default_factory=dict)
    open_orders: dict[str, dict[int, OpenOrder]] = field(default_factory=dict)
    positions: dict[tuple[str, str], int] = field(default_factory=dict)
    lendable: dict[str, Lendable] = field(default_factory=dict)
    debts: dict[tuple[str, str], Debt] = field(default_factory=dict)
    owned: dict[int, int] = field(default_factory=dict)
    margin_prices: dict[int, int] = field(default_factory=dict)
    issued_below: int = 0
    patient: bool = True
    waiting: Counter[str] = field(default_factory=Counter)
    follows: bool = True
    marks: dict[str, list[CancelMark]] = field(default_factory=dict)
    new_marks: dict[tuple[object, ...], CancelMark] = field(default_factory=dict)
    taken: set[tuple[str, str]] = field(default_factory=set)
    replaced: list[PendingReplace] = field(default_factory=list)
    widened: dict[int, Widened] = field(default_factory=dict)
    changes: SecurityChanges = field(default_factory=SecurityChanges)

    def follow(self, order: OrderRequest, command: PlaceOrder | None, *, fee_ppm: int = 0) -> None:
        """Make an order known to later requests of this batch; without a command, the order was denied."""
        self.orders[order.order_id] = KnownOrder(order.client_id, order.security_id, command is not None)
        if command is None:
            return
        self.terms[order.order_id] = Terms.of(
            command,
            fee_ppm=fee_ppm,
            owned=self.owned.get(order.order_id),
            margin_cents=self.margin_prices.get(order.order_id),
        )
        of_client = self.open_orders.get(order.client_id)
        if of_client is not None:
            of_client[order.order_id] = OpenOrder(order.order_id, order.client_id, order.security_id, order.side)

    def mark(self, mark: CancelMark) -> None:
        """Leave the mark of a cancel for orders that arrive after it."""
        self.marks.setdefault(mark.client_id, []).append(mark)
        earlier = self.new_marks.get(mark[:-1])
        if earlier is None or earlier.before_us < mark.before_us:
            self.new_marks[mark[:-1]] = mark

    def was_cancelled(self, order: OrderRequest, shard: int) -> bool:
        """Return whether a cancel that the api accepted after the order arrived here before it."""
        return any(
            order.received_us < mark.before_us
            and (mark.order_id == order.order_id or (mark.order_id == ANY_ORDER and mark.shard == shard))
            and mark.security_id in ("", order.security_id)
            and mark.side in ("", order.side)
            for mark in self.marks.get(order.client_id, ())
        )
