"""Repeated requests: one number stands for one request, whenever and however often it was sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter

from msgspec import structs

from tasks.messages import (
    CancelOrder,
    CancelRequest,
    Command,
    DelistRequest,
    DelistSecurity,
    Expire,
    HaltRequest,
    ListRequest,
    ListSecurity,
    MassCancel,
    MassCancelRequest,
    MoveCommand,
    OrderRequest,
    PhaseRequest,
    PlaceOrder,
    ReplaceOrder,
    ReplaceRequest,
    Request,
    SecurityCommand,
    SecurityRequest,
    SetHalt,
    SetPhase,
    SettleRequest,
    SettleSecurity,
)
from tasks.order_entry.rules.decisions import Dropped, number_of
from tasks.order_entry.rules.orders import sequenced_time_in_force
from tasks.order_entry.rules.phases import as_phase
from tasks.order_entry.rules.rows import RegisteredOrder
from tasks.order_entry.rules.terms import terms_of


def once_each(requests: Sequence[Request]) -> tuple[dict[int, Request], list[Dropped]]:
    """Return the first request of each number, and the requests that differ from the first one of their number.

    When a client sends an order again while the first copy is in flight, the two differ in their time only.
    """
    batch = {number_of(request): request for request in requests}
    if len(batch) == len(requests):
        return batch, []
    batch.clear()
    dropped = []
    for request in requests:
        first = batch.setdefault(number_of(request), request)
        if first is not request and first != structs.replace(request, received_us=first.received_us):
            dropped.append(Dropped(request, "number_reused"))
    return batch, dropped


def without_control_characters(batch: dict[int, Request], numbers: Iterable[int]) -> list[Dropped]:
    """Remove from the batch those of these requests that have a control character in a name, and return them."""
    dropped = [
        Dropped(batch[number], "control_character") for number in numbers if has_control_character(batch[number])
    ]
    for one in dropped:
        del batch[number_of(one.request)]
    return dropped


def has_control_character(request: Request) -> bool:
    """Return whether a name in the request contains a character that tables and reports cannot store."""
    return any(isinstance(value, str) and min(value, default=" ") < " " for value in structs.astuple(request))


def is_same(request: Request, command: Command) -> bool:
    """Return whether a command of the log came from this request."""
    if isinstance(request, OrderRequest):
        return isinstance(command, PlaceOrder) and _is_same_order(request, command)
    return _terms_of(request) == _terms_of_command(command)


def is_registered(request: Request, order: RegisteredOrder) -> bool:
    """Return whether a denied order in the register came from this request."""
    return (
        isinstance(request, OrderRequest) and request.client_id == order.client_id and terms_of(request) == order.terms
    )


def _is_same_order(request: OrderRequest, command: PlaceOrder) -> bool:
    # Order entry itself set the collar of an order without a limit, and the time in force of one without a price.
    as_logged = structs.replace(
        request,
        price_cents=command.price_cents if request.price_cents is None else request.price_cents,
        time_in_force=sequenced_time_in_force(request),
    )
    return request.client_id == command.client_id and terms_of(as_logged) == terms_of(command)


_listing_of = attrgetter(
    "security_id", "reference_cents", "tick_cents", "min_price_cents", "max_price_cents", "band_ppm"
)


def _terms_of(request: Request) -> tuple[object, ...]:
    if isinstance(request, CancelRequest):
        return "cancel", request.client_id, request.security_id, request.order_id
    if isinstance(request, ReplaceRequest):
        return "replace", request.client_id, request.order_id, request.quantity, request.price_cents
    if isinstance(request, MassCancelRequest):
        return "mass_cancel", request.client_id
    assert not isinstance(request, OrderRequest)
    return _terms_of_security(request)


def _terms_of_security(request: SecurityRequest) -> tuple[object, ...]:
    if isinstance(request, HaltRequest):
        request = as_phase(request)
    if isinstance(request, PhaseRequest):
        return "phase", request.security_id, request.phase
    if isinstance(request, ListRequest):
        return "list", *_listing_of(request)
    if isinstance(request, DelistRequest):
        return "delist", request.security_id
    if isinstance(request, SettleRequest):
        return "settle", request.security_id, request.value_cents
    return "band", request.security_id, request.band_ppm


def _terms_of_command(command: Command) -> tuple[object, ...]:
    if isinstance(command, PlaceOrder):
        return ("order",)
    if isinstance(command, CancelOrder):
        return "cancel", command.client_id, command.security_id, command.order_id
    if isinstance(command, ReplaceOrder):
        return "replace", command.client_id, command.order_id, command.quantity, command.price_cents
    if isinstance(command, MassCancel):
        return "mass_cancel", command.client_id
    if isinstance(command, Expire):
        return ("expire",)
    if isinstance(command, MoveCommand):
        return "move", command.security_id
    return _terms_of_security_command(command)


def _terms_of_security_command(command: SecurityCommand) -> tuple[object, ...]:
    if isinstance(command, SetHalt):
        return "phase", command.security_id, "halted" if command.halted else "continuous"
    if isinstance(command, SetPhase):
        return "phase", command.security_id, command.phase
    if isinstance(command, ListSecurity):
        return "list", *_listing_of(command)
    if isinstance(command, DelistSecurity):
        return "delist", command.security_id
    if isinstance(command, SettleSecurity):
        return "settle", command.security_id, command.value_cents
    return "band", command.security_id, command.band_ppm
