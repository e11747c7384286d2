"""A request that was decided before: it has to be the one that its number stood for then."""

from __future__ import annotations

from tasks.messages import (
    CancelOrder,
    CancelRequest,
    Command,
    MassCancel,
    MassCancelRequest,
    OrderRequest,
    PlaceOrder,
    ReplaceOrder,
    ReplaceRequest,
    Request,
    SetHalt,
)


class AnotherRequest(ValueError):
    """One number stands for two requests: its sender is wrong."""


def require_same(request: Request, command: Command) -> None:
    """Raise AnotherRequest when a command of the log is not what became of this request."""
    if _terms_of(request) != _terms_of_command(command):
        raise AnotherRequest("a request has the number of another one that is in the log")


def _terms_of(request: Request) -> tuple[object, ...]:
    if isinstance(request, OrderRequest):
        return (
            "order",
            request.client_id,
            request.security_id,
            request.type,
            request.side,
            request.quantity,
            request.stop_price_cents,
            request.display_quantity,
        )
    if isinstance(request, CancelRequest):
        return "cancel", request.client_id, request.security_id, request.order_id
    if isinstance(request, ReplaceRequest):
        return "replace", request.client_id, request.order_id, request.quantity, request.price_cents
    if isinstance(request, MassCancelRequest):
        return "mass_cancel", request.client_id
    return "halt", request.security_id, request.halted


def _terms_of_command(command: Command) -> tuple[object, ...]:
    if isinstance(command, PlaceOrder):
        return (
            "order",
            command.client_id,
            command.security_id,
            command.type,
            command.side,
            command.quantity,
            command.stop_price_cents,
            command.display_quantity,
        )
    if isinstance(command, CancelOrder):
        return "cancel", command.client_id, command.security_id, command.order_id
    if isinstance(command, ReplaceOrder):
        return "replace", command.client_id, command.order_id, command.quantity, command.price_cents
    if isinstance(command, MassCancel):
        return "mass_cancel", command.client_id
    assert isinstance(command, SetHalt)
    return "halt", command.security_id, command.halted
