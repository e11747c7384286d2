"""Examples of requests: one for every body, and a value for every part of a path.

A new exchange has this security and this client, so a reader can send an example without changing it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.wire import competition_bodies, limits, order_bodies, schema, security_bodies

Example = Mapping[str, Any]  # summary and value, as OpenAPI names them


def _example(summary: str, value: Any) -> Example:
    return {"summary": summary, "value": value}


_LIMIT = {"type": "limit", "security_id": "MSFT", "side": "buy", "quantity": 10, "price": 100.12}
_STOP = {"security_id": "MSFT", "side": "sell", "quantity": 10, "stop_price": 95.00}

# By the type of the body, as the declarations of the routes name it.
BODIES: Mapping[Any, Mapping[str, Example]] = {
    order_bodies.Body: {
        "limit": _example("A limit order", {**_LIMIT, "client_order_id": "my-first-order"}),
        "market": _example("A market order", {"type": "market", "security_id": "MSFT", "side": "buy", "quantity": 10}),
        "iceberg": _example(
            "A limit order that shows 10 of 100 shares", {**_LIMIT, "quantity": 100, "display_quantity": 10}
        ),
        "stop": _example(
            "A market order that waits for a price",
            {**_STOP, "type": "stop"},
        ),
        "stop_limit": _example(
            "A limit order that waits for a price",
            {**_STOP, "type": "stop_limit", "price": 94.50},
        ),
        "day": _example("An order for today", {**_LIMIT, "time_in_force": "day"}),
        "gtd": _example(
            "An order that ends by itself",
            {**_LIMIT, "time_in_force": "gtd", "expires_at": "2026-12-31T16:00:00Z"},
        ),
        "auction": _example(
            "An order for the next auction",
            {"type": "market", "security_id": "MSFT", "side": "buy", "quantity": 10, "time_in_force": "auction"},
        ),
        "replace": _example(
            "New terms for an open order",
            {"type": "replace", "security_id": "MSFT", "order_id": 17, "quantity": 5, "price": 100.10},
        ),
        "cancel": _example("A cancel", {"type": "cancel", "security_id": "MSFT", "order_id": 17}),
        "several": _example("Several orders in one request", [_LIMIT, {**_LIMIT, "side": "sell", "price": 100.49}]),
    },
    schema.NewTerms: {
        "price": _example("Another price", {"price": 100.10}),
        "quantity": _example("A smaller total quantity", {"quantity": 5}),
    },
    schema.Halt: {"halt": _example("Halt the trading of a security", {"halted": True})},
    security_bodies.PhaseChange: {
        "phase": _example("An auction of ten seconds", {"phase": "auction", "seconds": 10}),
        "continuous": _example("Uncross, and continue trading", {"phase": "continuous"}),
    },
    security_bodies.BandChange: {"band": _example("At most 10 % from the last trade", {"band": 0.10})},
    security_bodies.NewSecurity: {
        "security": _example(
            "A new security", {"security_id": "ACME", "reference_price": 50.00, "tick": 0.01, "issued": 100_000}
        )
    },
    security_bodies.Settlement: {
        "settlement": _example("12.34 for each share", {"transfer_id": "settle-MSFT", "value": 12.34})
    },
    schema.Fees: {"fees": _example("A rebate for makers, a fee for takers", {"maker_fee": -0.5, "taker_fee": 2})},
    schema.NewAccount: {"account": _example("A new account", {"client_id": "STUDENT"})},
    schema.NewKey: {"read_only": _example("A key that only reads", {"name": "dashboard", "read_only": True})},
    schema.AccountChange: {
        "stop": _example("Stop a client", {"state": "stopped"}),
        "resume": _example("Let a client trade again", {"state": "open"}),
    },
    security_bodies.NewNews: {
        "news": _example(
            "News about a security", {"headline": "MSFT raises its dividend", "body": None, "security_id": "MSFT"}
        )
    },
    limits.LimitsChange: {
        "limits": _example(
            "Smaller orders, and the default for open orders",
            {"limits": {"max_order_quantity": 1_000, "max_open_orders": None}},
        )
    },
    schema.CashTransfer: {"cash": _example("Cash", {"transfer_id": "salary-2026-11", "amount": 1000.00})},
    schema.ShareTransfer: {
        "shares": _example("Shares", {"transfer_id": "grant-2026-11", "security_id": "MSFT", "quantity": 100})
    },
    schema.CashCorrection: {
        "cash": _example(
            "Give a client cash",
            {"transfer_id": "correction-1", "client_id": "SINGLE", "amount": 12.50, "reason": "a fee was taken twice"},
        )
    },
    schema.ShareCorrection: {
        "shares": _example(
            "Take shares from a client",
            {
                "transfer_id": "correction-2",
                "client_id": "SINGLE",
                "security_id": "MSFT",
                "quantity": -5,
                "reason": "shares were granted twice",
            },
        )
    },
    competition_bodies.NewCompetition: {
        "case": _example(
            "Two rounds of five minutes with three market makers",
            {
                "name": "First hour",
                "rounds": 2,
                "round_seconds": 300,
                "break_seconds": 60,
                "auction_seconds": 10,
                "securities": [{"security_id": "ACME", "reference_price": 50.00}],
                "endowment": {"cash": 10000.00, "shares": {"ACME": 100}},
                "limits": {"max_order_quantity": 1_000},
                "house": [{"strategy": "market_maker", "count": 3}],
                "news": [{"at": 60, "headline": "ACME wins an order", "security_id": "ACME", "change": 0.05}],
                "scoring": "root",
                "final": "last",
                "max_teams": 40,
            },
        )
    },
    competition_bodies.NewInvites: {"invites": _example("Forty invitations", {"count": 40})},
    competition_bodies.Extension: {"seconds": _example("A minute more", {"seconds": 60})},
    competition_bodies.NewTeam: {"team": _example("A team", {"team": "Blue Birds"})},
}

# By the name of the part of a path.
PATHS: Mapping[str, Any] = {
    "client_id": "SINGLE",
    "client_order_id": "my-first-order",
    "competition_id": "c0a1b2c3",
    "key_id": 1,
    "kind": "trades",
    "name": "icon.svg",
    "order_id": 17,
    "security_id": "MSFT",
    "token": "3q2-7wAAAAAAAAAAAAAAAAAA",
}


def examples_of(body: Any) -> dict[str, Example]:
    """Return the examples of a body, by name; those of a union are the examples of its members."""
    if body in BODIES:
        return dict(BODIES[body])
    members = getattr(body, "__args__", ())
    return {name: example for member in members for name, example in examples_of(member).items()}
