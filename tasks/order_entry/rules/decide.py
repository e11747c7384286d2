"""The rules of order entry: which requests become commands, and why the others do not.

Pure: the rules read values from the desk and return their decisions as values. The api has already checked everything
in a request; it is checked again here, because the api is not the only program that can put a message on a queue.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import structs

from tasks.messages import (
    BandRequest,
    CancelRequest,
    DelistRequest,
    HaltRequest,
    ListRequest,
    MassCancelRequest,
    OrderRequest,
    PhaseRequest,
    ReplaceRequest,
    Request,
    SettleRequest,
)
from tasks.order_entry.rules.cancels import decide_cancel, decide_mass_cancel
from tasks.order_entry.rules.decisions import Admitted, Decision, DenialReason, Denied, Limits, number_of
from tasks.order_entry.rules.desk import Desk
from tasks.order_entry.rules.listings import decide_band, decide_delist, decide_list, decide_settle
from tasks.order_entry.rules.orders import decide_order
from tasks.order_entry.rules.phases import decide_halt, decide_phase
from tasks.order_entry.rules.replaces import decide_replace
from tasks.order_entry.rules.shortfalls import shortfall

__all__ = ["Admitted", "Decision", "DenialReason", "Denied", "Desk", "Limits", "Request", "decide", "number_of"]


_RULES: dict[type, Callable[[Desk, Any], Decision]] = {
    OrderRequest: decide_order,
    CancelRequest: decide_cancel,
    ReplaceRequest: decide_replace,
    MassCancelRequest: decide_mass_cancel,
    HaltRequest: decide_halt,
    PhaseRequest: decide_phase,
    ListRequest: decide_list,
    DelistRequest: decide_delist,
    SettleRequest: decide_settle,
    BandRequest: decide_band,
}


def decide(desk: Desk, request: Request) -> Decision:
    """Admit a request and hold what it may cost, deny it, or let it wait. Call it in the order of the requests."""
    decision = _RULES[type(request)](desk, request)
    if isinstance(decision, Denied):
        return structs.replace(decision, shortfall=shortfall(desk, decision))
    return decision
