"""What the api answers to the page in tests without an exchange: two securities, and the account of ANNA."""

from __future__ import annotations

from typing import Any

SECURITIES = [
    {
        "security_id": name,
        "tick": 0.05,
        "min_price": 0.05,
        "max_price": 10_000,
        "issued_shares": 1_000,
        "halted": False,
        "maker_fee": 0,
        "taker_fee": 10,
        "phase": "continuous",
        "phase_cause": None,
        "phase_ends_at": None,
        "reference_price": 100,
        "band": None,
    }
    for name in ("MSFT", "TSLA")
]
HOLDING = {"security_id": "MSFT", "shares": 30, "held": 5, "available": 25}
ACCOUNT = {
    "client_id": "ANNA",
    "balance": 10_000,
    "held": 0,
    "available": 9_000,
    "collateral": 0,
    "holdings": [HOLDING],
    "borrowed": {},
    "equity": 13_000,
}
PAGE_OF = {"next_cursor": None}
ORDER: dict[str, Any] = {
    "order_id": 7,
    "client_order_id": None,
    "client_id": "ANNA",
    "security_id": "MSFT",
    "side": "buy",
    "type": "limit",
    "quantity": 10,
    "price": 100.01,
    "stop_price": None,
    "display_quantity": None,
    "time_in_force": "gtc",
    "expires_at": None,
    "post_only": False,
    "filled_quantity": 0,
    "average_price": None,
    "status": "new",
    "reason": None,
    "detail": None,
    "buy_in": False,
    "created_at": "2026-01-02T03:00:01.000000Z",
    "updated_at": "2026-01-02T03:00:01.000000Z",
}
STOP = ORDER | {"order_id": 11, "side": "sell", "type": "stop_limit", "price": 95, "stop_price": 95.5, "quantity": 5}
ICEBERG = ORDER | {"order_id": 12, "price": 98.7, "quantity": 1_000, "display_quantity": 50, "filled_quantity": 200}
ICEBERG |= {"average_price": 98.7, "status": "partially_filled"}
FILLED = ORDER | {"order_id": 13, "filled_quantity": 10, "average_price": 98, "status": "filled"}
REJECTED = ORDER | {"order_id": 14, "quantity": 990, "status": "rejected", "reason": "insufficient_funds"}
REJECTED |= {"detail": "needs 99,000.00; 8,998.00 available"}
FILL = {"order_id": 13, "client_order_id": None, "client_id": "ANNA", "security_id": "MSFT", "side": "buy", "price": 98}
FILL |= {"trade_id": "0-4711-0", "quantity": 10, "fee": 0.5, "timestamp": "2026-01-02T03:00:02.000000Z"}
ANSWERS = {
    "**/whoami": {"client_id": "ANNA", "role": "client", "read_only": False},
    "**/securities": {"data": SECURITIES},
    "**/accounts/ANNA": ACCOUNT,
    "**/orders?status=open&*": {"data": [STOP, ICEBERG], **PAGE_OF},
    "**/orders?status=all&*": {"data": [REJECTED, FILLED, ICEBERG, STOP], **PAGE_OF},
    "**/fills?*": {"data": [FILL], **PAGE_OF},
}
# The stream of the test: MSFT is 99.99 bid, 100.01 asked, and was last traded at 100.00.
PRICES = {"bid": 99.99, "ask": 100.01, "last": 100}
ASK = "100.01"
