"""Faults of an exchange with replaced orders and failed trades."""

from __future__ import annotations

from tests.tasks.audit.faults.fault import Fault

REPLACE_FAULTS = {
    "an order has lost its new terms": Fault(
        7,
        "clearing_data",
        "SELECT min(order_id) FROM orders WHERE terms_event_id IS NOT NULL",
        "UPDATE orders SET hold_cents = hold_cents + 1 WHERE order_id = :row",
        "order {row} has the terms of replacement",
    ),
    "a replacement is settled with other terms": Fault(
        6,
        "clearing_data",
        "SELECT min(event_id) FROM executions WHERE kind = 'replaced'",
        (
            "UPDATE executions SET terms = CAST(jsonb_set(CAST(terms AS jsonb), '{old_open}', '99') AS text) "
            "WHERE event_id = :row"
        ),
        "execution {row} was settled as",
    ),
    "a replacement is neither pending nor decided": Fault(
        5,
        "clearing_data",
        "SELECT CAST(CAST(terms AS json) ->> 'command_id' AS bigint) FROM executions WHERE kind = 'replaced' LIMIT 1",
        "DELETE FROM executions WHERE CAST(CAST(terms AS json) ->> 'command_id' AS bigint) = :row",
        "replacement {row} is in the log, and neither pending nor decided",
    ),
    "a failed trade is forgotten by an order": Fault(
        7,
        "clearing_data",
        "SELECT min(buy_order_id) FROM executions WHERE kind = 'failed'",
        "UPDATE orders SET closed_quantity = 0 WHERE order_id = :row",
        "order {row} of",
    ),
    "the account that made a trade fail is open again": Fault(
        3,
        "clearing_data",
        "SELECT min(event_id) FROM executions WHERE kind = 'failed'",
        "UPDATE accounts SET state = 'open' WHERE client_id = 'DOT' AND :row > 0",
        "trade {row} failed, and neither side's account is closed",
    ),
    "a fee is not taken": Fault(
        4,
        "clearing_data",
        "SELECT balance_cents FROM accounts WHERE client_id = 'EXCHANGE'",
        "UPDATE accounts SET balance_cents = :row - 1 WHERE client_id = 'EXCHANGE'",
        "account EXCHANGE has",
    ),
}
