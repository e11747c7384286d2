"""What was decided, in the words of the register of orders and of the stages behind."""

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

# Entries in one message to a stage behind; each order that a mass cancel or an expiry names is one, too.
MAX_BATCH = 2_000
_OF_ORDERS = frozenset({MassCancel, Expire})


def order_row(
    order: OrderRequest,
    decision: Admitted | Denied,
    now_us: int,
    security: Security | None,
    owned_quantity: int | None = None,
) -> OrderRow:
    """Return an order, admitted or not, as it goes into the register; the security is None of one that is not listed.

    owned_quantity  of an order that sells short: how many of its shares are its client's
    """
    if isinstance(decision, Admitted):
        placed = decision.command
        assert isinstance(placed, PlaceOrder)
        # Of a sell order nothing but its shares is held; what stands there is its limit or collar.
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
) -> OrderRow:
    # The name of another order is not this one's to have.
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
        None if owned_quantity is None else hold_cents,
    )


def denial_row(denial: Denied, now_us: int) -> tuple[int, str, int, str | None]:
    """Return a denial as it goes into the register of denials, with its report in JSON."""
    told = report(denial.request, denial.reason, now_us)
    return number_of(denial.request), denial.reason, now_us, encode(told).decode() if told else None


def asked_of(request: Request) -> tuple[int, str | None]:
    """What the report of a request that is no order says and its command does not.

    returns  when the api took it [us since 1970, UTC], and the security that a mass cancel names
    """
    return request.received_us, request.security_id if isinstance(request, MassCancelRequest) else None


def report(request: Request, denied: str | None, now_us: int) -> OrderReport | None:
    """What the client is told of a request; `denied` is why it was, None when it was not.

    A request about a security is no client's: its sender looks into the log and the denials.
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
    # It says nothing of the state of an order, and what has no side is not taken for that.
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
    """Commands that follow each other in the log, as messages to the engine."""
    batches = []
    for part in _parts(commands):
        batches.append(CommandBatch(shard, first_seq, part))
        first_seq += len(part)
    return batches


def _parts(commands: Sequence[Command]) -> Iterator[list[Command]]:
    """Commands split so that no part is too large, as far as that goes."""
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
    """Commands from anywhere in the logs, as messages to the engine, each without a gap."""
    in_order = sorted(sequenced, key=lambda one: (one.shard, one.seq))
    runs = groupby(enumerate(in_order), key=lambda placed: (placed[1].shard, placed[1].seq - placed[0]))
    batches = []
    for (shard, _), placed in runs:
        run = [one for _, one in placed]
        batches += batches_of(shard, run[0].seq, [one.command for one in run])
    return batches
