"""Fee rates and their changes, which are possible only while a security has nothing open or left to settle."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import Connection, text

from tasks.messages import event_id

RatesSet = Literal["set", "orders_open", "unknown_security"]

# A transaction that waits for the accounts keeps all others waiting behind it.
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
    """Give a security new rates, from the next command of its shard on [hundredths of a basis point].

    The hold of an order depends on the rates, so no order may be open; and because order entry locks accounts before
    it reads rates, none arrives while all accounts are locked here. An order is open until all its trades are settled,
    so every trade up to now has settled at the old rates, and every later one has a higher event id.

    maker_ppm + taker_ppm >= 0, or Postgres refuses the change
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
