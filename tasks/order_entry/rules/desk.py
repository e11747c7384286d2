"""What the requests of one unit are decided upon, and what the ones before have changed of it.

Whoever works at the desk holds the locks on the accounts, so what it knows of them is so until the unit is written.
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
    """The state of a unit.

    funds, shares   by client, and by client and security: the locked accounts; changed by what is admitted
    securities      the listed ones, by id; changed by requests about them
    limits, now_us  the settings, and when the unit is sequenced
    shards          those that exist; only with mass cancels in the unit
    orders          by order id: what cancels and replacements have to know of the orders that they name
    terms           by order id: what the orders that replacements name, and that are open, may be at the engine
    open_orders     by client and order id: the open orders of the clients that cancel many at once
    lendable        by security: what DTCC can lend; only where a client with a short limit sells more than it has
    debts           by client and security: what clients owe that buy
    owned           by order id, of the unit's orders that sell short: how many of their shares are their clients'
    positions       by client and security: shares held and in open buy orders; only where there is a limit on them
    issued_below    every order id given out up to now is below it
    patient         whether a replacement may wait for its order
    waiting         how many replacements of each client wait already; added to
    follows         whether requests of the unit name orders, so that new ones have to be known to those behind them
    marks           what cancels left for orders that come after them, by client; added to
    new_marks       those that the unit's cancels leave, by their keys
    taken           (client_id, client_order_id) that stand for other orders already; added to
    replaced        what is reserved for the admitted replacements
    widened         what the orders that they name may come to be, by order id
    changes         what becomes of securities, and what that depends on; only with requests about them in the unit
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
        """An order of this unit is known to those that come after it in the unit; without a command it was denied."""
        self.orders[order.order_id] = KnownOrder(order.client_id, order.security_id, command is not None)
        if command is None:
            return
        self.terms[order.order_id] = Terms.of(command, fee_ppm=fee_ppm, owned=self.owned.get(order.order_id))
        of_client = self.open_orders.get(order.client_id)
        if of_client is not None:
            of_client[order.order_id] = OpenOrder(order.order_id, order.client_id, order.security_id, order.side)

    def mark(self, mark: CancelMark) -> None:
        """A cancel leaves a mark for the orders that come after it."""
        self.marks.setdefault(mark.client_id, []).append(mark)
        earlier = self.new_marks.get(mark[:-1])
        if earlier is None or earlier.before_us < mark.before_us:
            self.new_marks[mark[:-1]] = mark

    def was_cancelled(self, order: OrderRequest, shard: int) -> bool:
        """Return whether a cancel that the api took after the order has come before it."""
        return any(
            order.received_us < mark.before_us
            and (mark.order_id == order.order_id or (mark.order_id == ANY_ORDER and mark.shard == shard))
            and mark.security_id in ("", order.security_id)
            and mark.side in ("", order.side)
            for mark in self.marks.get(order.client_id, ())
        )
