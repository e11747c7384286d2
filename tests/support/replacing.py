"""Random trades, closes, replacements and refusals, as an engine without a book could send them.

Orders and replacements, with their holds, are written to `clearing_data` as order entry does it. Any buyer may meet any
seller, at any price that both limits allow: settlement must not depend on priorities that it does not know.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from sqlalchemy import Connection, text

from db.connect import Database
from tasks.messages import (
    Execution,
    OrderClosed,
    OrderReplaced,
    PlaceOrder,
    ReplaceOrder,
    ReplaceRefused,
    Side,
    TradeMade,
    encode_command,
    event_id,
)
from tasks.shared.rules.fees import fee_hold_cents, highest_fee_ppm
from tests.support.trading import CLIENTS, NOW_US

SECURITY = "MSFT"
MAKER_PPM, TAKER_PPM = -150, 300


@dataclass
class Replacement:
    """A replacement in the log; order entry held its reservation when it admitted it."""

    command_id: int
    quantity: int
    price_cents: int
    reserved: int


@dataclass
class LiveOrder:
    """The engine's view of an order."""

    order_id: int
    client_id: str
    side: Side
    quantity: int
    price_cents: int
    open: int
    pending: list[Replacement] = field(default_factory=list)


class Market:
    """Orders that are all admitted before any settlement, and their later executions.

    fees  whether trades cost fees
    """

    def __init__(self, clearing_data: Database, *, seed: int, fees: bool, orders: int = 60) -> None:
        self.chance = random.Random(seed)
        self._clearing_data = clearing_data
        self._rates = (MAKER_PPM, TAKER_PPM) if fees else (0, 0)
        self._seq = 0
        self._trades = 0
        self._orders = [self._order(number) for number in range(1, orders + 1)]
        self._admit()

    @property
    def fee_ppm(self) -> int:
        """Return the rate at which buy orders hold fees."""
        maker, taker = self._rates
        return highest_fee_ppm(maker_fee_ppm=maker, taker_fee_ppm=taker)

    # -- order entry -------------------------------------------------------------------------------------------------

    def _order(self, number: int) -> LiveOrder:
        chance = self.chance
        side: Side = chance.choice(("buy", "sell"))
        quantity = chance.randint(1, 30)
        order = LiveOrder(number, chance.choice(CLIENTS), side, quantity, self._price(), quantity)
        for turn in range(chance.choice((0, 0, 1, 1, 2, 3))):
            self._reserve(order, Replacement(number * 100 + turn, chance.randint(1, 40), self._price(), 0))
        return order

    def _price(self) -> int:
        return 10_000 + self.chance.randint(-30, 30)

    def _reserve(self, order: LiveOrder, new: Replacement) -> None:
        """Reserve enough for any mix of fills under the old and the new terms."""
        totals = [order.quantity, new.quantity, *(one.quantity for one in order.pending)]
        holds = [order.price_cents, new.price_cents, *(one.price_cents for one in order.pending)]
        if order.side == "sell":
            new.reserved = max(totals) if order.pending else max(0, new.quantity - order.quantity)
        elif order.pending:
            new.reserved = max(totals) * max(holds)
        else:
            old, hold = order.quantity * holds[0], holds[1]
            new.reserved = max(new.quantity * hold - old, (new.quantity - order.quantity) * hold, 0)
        order.pending.append(new)

    def _admit(self) -> None:
        maker, taker = self._rates
        with self._clearing_data.transaction() as tx:
            tx.execute(text("UPDATE securities SET maker_fee_ppm = :maker, taker_fee_ppm = :taker"), locals())
            if taker:
                tx.execute(
                    text("INSERT INTO fee_rates VALUES (:security, 0, 0, :maker, :taker)"),
                    {"security": SECURITY, "maker": maker, "taker": taker},
                )
            for one in self._orders:
                held = one.price_cents if one.side == "buy" else 1
                needed = one.quantity * held + sum(new.reserved for new in one.pending)
                largest = max(one.quantity, *(new.quantity for new in one.pending)) if one.pending else None
                highest = max(one.price_cents, *(new.price_cents for new in one.pending)) if one.pending else None
                fee_ppm = self.fee_ppm if one.side == "buy" else 0
                needed += fee_hold_cents((largest or one.quantity) * (highest or one.price_cents), fee_ppm)
                tx.execute(
                    text(
                        "INSERT INTO orders (order_id, client_id, security_id, type, side, quantity, price_cents, "
                        "hold_cents, time_in_force, post_only, created_us, status, updated_us, largest_quantity, "
                        "largest_hold_cents, fee_ppm) VALUES (:id, :client, :security, 'limit', :side, :quantity, "
                        ":price, :price, 'gtc', false, :now, 'new', :now, :largest, :highest, :fee_ppm)"
                    ),
                    {
                        "id": one.order_id,
                        "client": one.client_id,
                        "security": SECURITY,
                        "side": one.side,
                        "quantity": one.quantity,
                        "price": one.price_cents,
                        "now": NOW_US,
                        "largest": largest,
                        "highest": highest,
                        "fee_ppm": fee_ppm,
                    },
                )
                self._log(tx, self._place_command(one))
                tx.execute(text("INSERT INTO open_orders VALUES (:c, :id)"), {"c": one.client_id, "id": one.order_id})
                for new in one.pending:
                    self._log(tx, self._replace_command(one, new))
                    tx.execute(
                        text(
                            "INSERT INTO pending_replaces VALUES (:id, :command, :client, :quantity, :price, :reserved)"
                        ),
                        {
                            "id": one.order_id,
                            "command": new.command_id,
                            "client": one.client_id,
                            "quantity": new.quantity,
                            "price": new.price_cents,
                            "reserved": new.reserved,
                        },
                    )
                hold = (
                    "UPDATE accounts SET held_cents = held_cents + :needed WHERE client_id = :client"
                    if one.side == "buy"
                    else "UPDATE holdings SET held = held + :needed "
                    f"WHERE client_id = :client AND security_id = '{SECURITY}'"
                )
                tx.execute(text(hold), {"needed": needed, "client": one.client_id})
                tx.execute(
                    text("UPDATE accounts SET open_orders = open_orders + 1 WHERE client_id = :client"),
                    {"client": one.client_id},
                )

    def _place_command(self, one: LiveOrder) -> PlaceOrder:
        return PlaceOrder(
            order_id=one.order_id,
            client_id=one.client_id,
            security_id=SECURITY,
            type="limit",
            side=one.side,
            quantity=one.quantity,
            price_cents=one.price_cents,
            time_in_force="gtc",
            post_only=False,
            sequenced_us=NOW_US,
            hold_cents=one.price_cents,
        )

    def _replace_command(self, one: LiveOrder, new: Replacement) -> ReplaceOrder:
        hold = new.price_cents if one.side == "buy" else 0
        return ReplaceOrder(
            new.command_id,
            one.client_id,
            SECURITY,
            one.order_id,
            one.side,
            new.quantity,
            new.price_cents,
            hold,
            new.reserved,
            NOW_US,
        )

    @staticmethod
    def _log(tx: Connection, command: PlaceOrder | ReplaceOrder) -> None:
        number = command.order_id if isinstance(command, PlaceOrder) else command.command_id
        tx.execute(
            text("INSERT INTO order_log VALUES (0, :number, :number, :command)"),
            {"number": number, "command": encode_command(command)},
        )

    # -- the engine --------------------------------------------------------------------------------------------------

    def executions(self) -> list[Execution]:
        """Return all executions until every replacement is decided; some orders stay open."""
        made: list[Execution] = []
        for _ in range(4 * len(self._orders)):
            made += self._step()
        while waiting := [one for one in self._orders if one.pending]:
            self._seq += 1
            made += self._replace(waiting[0])
        return made

    def _step(self) -> list[Execution]:
        self._seq += 1
        what = self.chance.random()
        if what < 0.6:
            return self._trade()
        if what < 0.65:
            alive = [one for one in self._orders if one.open]
            return [self._close(self.chance.choice(alive))] if alive else []
        waiting = [one for one in self._orders if one.pending]
        return self._replace(self.chance.choice(waiting)) if waiting else []

    def _id(self, n: int = 0) -> int:
        return event_id(0, self._seq, n)

    def _trade(self) -> list[Execution]:
        pairs = [
            (buy, sell)
            for buy in self._orders
            for sell in self._orders
            if (buy.side, sell.side) == ("buy", "sell")
            and buy.open
            and sell.open
            and buy.client_id != sell.client_id
            and buy.price_cents >= sell.price_cents
        ]
        if not pairs:
            return []
        buy, sell = self.chance.choice(pairs)
        quantity = self.chance.randint(1, min(buy.open, sell.open))
        buy.open -= quantity
        sell.open -= quantity
        self._trades += 1
        return [
            TradeMade(
                event_id=self._id(),
                security_id=SECURITY,
                sequence=self._trades,
                price_cents=self.chance.randint(sell.price_cents, buy.price_cents),
                quantity=quantity,
                aggressor_side=self.chance.choice(("buy", "sell")),
                buy_order_id=buy.order_id,
                buyer=buy.client_id,
                buy_hold_cents=buy.price_cents,
                sell_order_id=sell.order_id,
                seller=sell.client_id,
                traded_us=NOW_US + self._seq,
            )
        ]

    def _close(self, order: LiveOrder, n: int = 0) -> OrderClosed:
        quantity, order.open = order.open, 0
        return OrderClosed(
            self._id(n),
            order.order_id,
            order.client_id,
            SECURITY,
            order.side,
            quantity,
            order.price_cents,
            "cancelled",
            "cancelled",
            NOW_US + self._seq,
        )

    def _replace(self, order: LiveOrder) -> list[Execution]:
        new = order.pending.pop(0)
        if not order.open or self.chance.random() < 0.1:
            return [
                ReplaceRefused(
                    self._id(),
                    new.command_id,
                    order.order_id,
                    order.client_id,
                    SECURITY,
                    order.side,
                    new.reserved,
                    "unknown_order",
                    NOW_US + self._seq,
                )
            ]
        filled, old_open, old_hold = order.quantity - order.open, order.open, order.price_cents
        ends = new.quantity <= filled
        if not ends:
            order.quantity, order.price_cents, order.open = new.quantity, new.price_cents, new.quantity - filled
        replaced = OrderReplaced(
            event_id=self._id(),
            command_id=new.command_id,
            order_id=order.order_id,
            client_id=order.client_id,
            security_id=SECURITY,
            side=order.side,
            quantity=order.quantity,
            price_cents=order.price_cents,
            old_open=old_open,
            old_hold_cents=old_hold,
            open_quantity=order.open,
            hold_cents=order.price_cents,
            reserved=new.reserved,
            replaced_us=NOW_US + self._seq,
        )
        return [replaced, self._close(order, 1)] if ends else [replaced]
