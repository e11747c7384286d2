"""The rates of fees, and how they change: only while nothing of a security is open or to be settled."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import Connection, text

from tasks.messages import event_id

RatesSet = Literal["set", "orders_open", "unknown_security"]

# Who waits for the accounts keeps everybody else waiting behind it.
_LOCK_TIMEOUT = "SET LOCAL lock_timeout = '2s'"

_IS_OPEN = text(
    """
    SELECT EXISTS (
        SELECT FROM open_orders JOIN orders USING (client_id, order_id) WHERE orders.security_id = :security_id
    ) OR EXISTS (
        SELECT FROM pending_replaces JOIN orders USING (order_id) WHERE orders.security_id = :security_id
    )
    """
)


def set_rates(tx: Connection, security_id: str, *, maker_ppm: int, taker_ppm: int, now_us: int) -> RatesSet:
    """Give a security other rates, from the next command of its shard on [hundredths of a basis point].

    What an order holds depends on the rates, so none may be open; and as order entry locks accounts before it reads
    rates, none comes while all accounts are locked here. An order that is open is one whose trades are not all
    settled, so every trade up to now has settled at the old rates, and every later one has a higher event id.

    maker_ppm + taker_ppm >= 0, or Postgres refuses it
    raises  sqlalchemy.exc.OperationalError  the accounts were not free for two seconds
    """
    tx.execute(text(_LOCK_TIMEOUT))
    tx.execute(text("LOCK TABLE accounts IN EXCLUSIVE MODE"))
    head = tx.execute(
        text("SELECT shard, last_seq FROM securities JOIN shards USING (shard) WHERE security_id = :security_id"),
        {"security_id": security_id},
    ).first()
    if head is None:
        return "unknown_security"
    if tx.execute(_IS_OPEN, {"security_id": security_id}).scalar_one():
        return "orders_open"
    rates = {"security_id": security_id, "maker": maker_ppm, "taker": taker_ppm}
    tx.execute(
        text("UPDATE securities SET maker_fee_ppm = :maker, taker_fee_ppm = :taker WHERE security_id = :security_id"),
        rates,
    )
    tx.execute(
        text(
            "INSERT INTO fee_rates (security_id, from_event_id, set_us, maker_fee_ppm, taker_fee_ppm) "
            "VALUES (:security_id, :from_event_id, :now_us, :maker, :taker)"
        ),
        rates | {"from_event_id": event_id(head.shard, head.last_seq + 1, 0), "now_us": now_us},
    )
    return "set"
