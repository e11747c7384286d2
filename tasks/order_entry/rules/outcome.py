"""Decisions in the form that the register of orders and the later stages take."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from typing import Literal

from tasks.messages import (
    Command,
    CommandBatch,
    Expire,
    MassCancel,
    MassCancelRequest,
    OrderReport,
    OrderRequest,
    PlaceOrder,
    ReplaceRequest,
    Request,
    SecurityRequest,
    encode,
)
from tasks.order_entry.rules.decisions import Admitted, DenialReason, Denied, number_of
from tasks.order_entry.rules.orders import fee_ppm
from tasks.order_entry.rules.rows import OrderRow, Sequenced
from tasks.shared.rules.securities import Security

# Entries in one message to a later stage; each order that a mass cancel or an expiry names counts as one, too.
MAX_BATCH = 2_000
_OF_ORDERS = frozenset({MassCancel, Expire})


def order_row(
    order: OrderRequest,
    decision: Admitted | Denied,
    now_us: int,
    security: Security | None,
    owned_quantity: int | None = None,
    margin_price_cents: int | None = None,
) -> OrderRow:
    """Return the register's row for an order, admitted or not; the security is None when it is not listed.

    owned_quantity      of an order that sells short: how many of its shares belong to the client
    margin_price_cents  of such an order: the price by which it holds margin
    """
    if isinstance(decision, Admitted):
        placed = decision.command
        assert isinstance(placed, PlaceOrder)
        # A sell order holds nothing but its shares; the row has its limit or collar here.
        hold_cents = placed.hold_cents or placed.price_cents
        rate_ppm = 0
        if security is not None and order.side == "buy" and (security.taker_fee_ppm > 0 or security.maker_fee_ppm > 0):
            rate_ppm = fee_ppm(security)
        return _row(
            order,
            now_us,
            time_in_force=placed.time_in_force,
            hold_cents=hold_cents,
            rate_ppm=rate_ppm,
            owned_quantity=owned_quantity,
            margin_price_cents=margin_price_cents,
        )
    return _row(order, now_us, time_in_force=order.time_in_force, hold_cents=0, denied=decision.reason)


def _row(
    order: OrderRequest,
    now_us: int,
    *,
    time_in_force: str,
    hold_cents: int,
    rate_ppm: int = 0,
    denied: DenialReason | None = None,
    owned_quantity: int | None = None,
    margin_price_cents: int | None = None,
) -> OrderRow:
    # This order must not take the client order id of another order.
    name = order.client_order_id if denied != "duplicate_client_order_id" else None
    return OrderRow(
        order.order_id,
        order.client_id,
        name,
        order.security_id,
        order.type,
        order.side,
        order.quantity,
        order.price_cents,
        hold_cents,
        time_in_force,
        order.post_only,
        order.received_us,
        "rejected" if denied else "new",
        order.quantity if denied else 0,
        denied,
        now_us,
        order.stop_price_cents,
        order.display_quantity,
        rate_ppm,
        order.expires_us,
        owned_quantity,
        None if owned_quantity is None else margin_price_cents or hold_cents,
    )


def denial_row(denial: Denied, now_us: int) -> tuple[int, str, int, str | None, int | None, int | None]:
    """Return a denial as a row of the register of denials, with its report in JSON and its shortfall."""
    of_client = report(denial.request, denial.reason, now_us)
    text = encode(of_client).decode() if of_client else None
    needed, available = denial.shortfall or (None, None)
    return number_of(denial.request), denial.reason, now_us, text, needed, available


def asked_of(request: Request) -> tuple[int, str | None]:
    """Return what the report of a request that is not an order contains and its command does not.

    returns  when the api accepted it [us since 1970, UTC], and the security that a mass cancel names
    """
    return request.received_us, request.security_id if isinstance(request, MassCancelRequest) else None


def report(request: Request, denied: str | None, now_us: int) -> OrderReport | None:
    """Return the report of a request to its client; `denied` is the reason of a denial, None without one.

    A request about a security belongs to no client: its sender looks into the log and the denials.
    """
    status: Literal["confirmed", "denied"] = "denied" if denied else "confirmed"
    if isinstance(request, OrderRequest):
        return OrderReport(
            request.order_id,
            "order",
            status,
            request.order_id,
            request.client_id,
            request.security_id,
            request.side,
            request.quantity,
            request.price_cents,
            denied,
            request.received_us,
            now_us,
        )
    if isinstance(request, SecurityRequest):
        return None
    kind: Literal["cancel", "replace", "mass_cancel"]
    order_id, security_id = request.command_id, request.security_id or ""
    quantity = price_cents = None
    if isinstance(request, MassCancelRequest):
        kind = "mass_cancel"
    else:
        order_id = request.order_id
        kind = "cancel"
        if isinstance(request, ReplaceRequest):
            kind, quantity, price_cents = "replace", request.quantity, request.price_cents
    # This report does not give the state of an order; because it has no side, no reader takes it for one that does.
    return OrderReport(
        request.command_id,
        kind,
        status,
        order_id,
        request.client_id,
        security_id,
        None,
        quantity,
        price_cents,
        denied,
        request.received_us,
        now_us,
    )


def batches_of(shard: int, first_seq: int, commands: Sequence[Command]) -> list[CommandBatch]:
    """Return messages to the engine with commands that follow each other in the log."""
    batches = []
    for part in _parts(commands):
        batches.append(CommandBatch(shard, first_seq, part))
        first_seq += len(part)
    return batches


def _parts(commands: Sequence[Command]) -> Iterator[list[Command]]:
    """Split the commands so that no part is too large, unless a single command already is."""
    if len(commands) <= MAX_BATCH and not any(type(command) in _OF_ORDERS for command in commands):
        yield list(commands)
        return
    part: list[Command] = []
    entries = 0
    for command in commands:
        weight = 1 + len(command.order_ids) if isinstance(command, MassCancel | Expire) else 1
        if part and entries + weight > MAX_BATCH:
            yield part
            part, entries = [], 0
        part.append(command)
        entries += weight
    yield part


def batches_of_earlier(sequenced: Collection[Sequenced]) -> list[CommandBatch]:
    """Return messages to the engine, each without a gap, with commands from anywhere in the logs."""
    in_order = sorted(sequenced, key=lambda one: (one.shard, one.seq))
    runs = groupby(enumerate(in_order), key=lambda placed: (placed[1].shard, placed[1].seq - placed[0]))
    batches = []
    for (shard, _), placed in runs:
        run = [one for _, one in placed]
        batches += batches_of(shard, run[0].seq, [one.command for one in run])
    return batches
