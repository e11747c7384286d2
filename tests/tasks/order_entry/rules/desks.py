"""A desk with a few clients and securities, and requests of them, for tests of the rules."""

from __future__ import annotations

from fractions import Fraction

from tasks.messages import (
    CancelRequest,
    HaltRequest,
    MassCancelRequest,
    OrderRequest,
    Phase,
    PhaseRequest,
    PlaceOrder,
    ReplaceRequest,
    Request,
)
from tasks.order_entry.rules.decide import decide
from tasks.order_entry.rules.decisions import Denied, Limits, Waiting
from tasks.order_entry.rules.desk import Desk
from tasks.order_entry.rules.risk import Funds, Shares
from tasks.shared.rules.securities import Security
from tests.support import entry

NOW_US = 1_000_000
ISSUED_BELOW = 1_001
LIMITS = {"market_order_band": Fraction("0.10"), "max_order_quantity": 1_000, "max_open_orders": 3}


def security(security_id: str, **terms: object) -> Security:
    fields = {
        "shard": 0,
        "tick_cents": 1,
        "min_price_cents": 1,
        "max_price_cents": 1_000_000,
        "issued_shares": 100_000,
        "last_price_cents": 10_000,
    }
    return Security(security_id, **fields | terms)


def desk(*, limits: dict[str, object] | None = None, **known: object) -> Desk:
    """ANN has $1,000 and 100 MSFT, BOB has nothing; STOPPED and CLOSED have as much as ANN.

    SMALL and LARGE have limits of their own. TEAM is in a competition, in which CUP is traded.

    TICK trades in steps of 5 cents from $1 to $2, and the incoming side of a trade in FEES pays 1 %.
    """
    fields = {
        "funds": {
            "ANN": Funds(100_000, open_orders=0),
            "BOB": Funds(0, open_orders=0),
            "STOPPED": Funds(100_000, open_orders=0, state="stopped"),
            "CLOSED": Funds(100_000, open_orders=0, state="closed"),
            "SMALL": Funds(100_000, open_orders=0, limits=Limits(Fraction("0.10"), 5, 1, 50_000)),
            "TEAM": Funds(100_000, open_orders=0, competition=7),
            "LARGE": Funds(10**9, open_orders=0, limits=Limits(Fraction("0.10"), 2_000, 100)),
        },
        "shares": {("ANN", "MSFT"): Shares(100)},
        "securities": {
            one.security_id: one
            for one in (
                security("MSFT"),
                security("AAPL", shard=1),
                security("TICK", tick_cents=5, min_price_cents=100, max_price_cents=200),
                security("HALT", phase="halted"),
                security("SHUT", phase="closed"),
                security("OVER", phase="settled"),
                security("CALL", phase="auction"),
                security("NEW", last_price_cents=None),
                security("CUP", competition=7),
                security("CUP8", competition=8),
                security("FEES", maker_fee_ppm=-2_000, taker_fee_ppm=10_000),
            )
        },
        "shards": {0, 1, 2},
        "issued_below": ISSUED_BELOW,
        "limits": Limits(**LIMITS | (limits or {})),
        "now_us": NOW_US,
    }
    return Desk(**fields | known)


def order(order_id: int = 1, **terms: object) -> OrderRequest:
    """Return a buy of 1 MSFT at 100.00 by ANN, with these terms changed."""
    return entry.order(order_id, **{"client_id": "ANN"} | terms)


def cancel(order_id: int, **terms: object) -> CancelRequest:
    fields = {"command_id": 900, "client_id": "ANN", "security_id": "MSFT", "received_us": 5}
    return CancelRequest(order_id=order_id, **fields | terms)


def replace(order_id: int, **terms: object) -> ReplaceRequest:
    fields = {
        "command_id": 900,
        "client_id": "ANN",
        "security_id": "MSFT",
        "quantity": None,
        "price_cents": None,
        "received_us": 5,
    }
    return ReplaceRequest(order_id=order_id, **fields | terms)


def mass_cancel(**terms: object) -> MassCancelRequest:
    fields = {
        "command_id": 900,
        "client_id": "ANN",
        "shard": 0,
        "security_id": None,
        "side": None,
        "received_us": 5,
    }
    return MassCancelRequest(**fields | terms)


def halt(security_id: str = "MSFT", *, halted: bool = True) -> HaltRequest:
    return HaltRequest(900, security_id, halted, 5)


def phase(security_id: str = "MSFT", phase: Phase = "auction", *, lasts_us: int | None = None) -> PhaseRequest:
    return PhaseRequest(900, security_id, phase, lasts_us, 5)


def placed(order: OrderRequest, **terms: object) -> PlaceOrder:
    """Return the command that an order becomes, with these terms changed."""
    shared = {field: getattr(order, field) for field in PlaceOrder.__struct_fields__ if hasattr(order, field)}
    return PlaceOrder(**shared | {"sequenced_us": NOW_US} | terms)


def reasons(desk: Desk, *requests: Request) -> list[str | None]:
    """Why each of the requests, decided one after the other, was denied; None for those that were not."""
    decisions = [decide(desk, request) for request in requests]
    return [
        decision.reason if isinstance(decision, Denied) else "waiting" if isinstance(decision, Waiting) else None
        for decision in decisions
    ]
