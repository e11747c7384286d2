"""What was decided, in the words of the register of orders and of the stages behind."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby
from typing import Literal

from db.clearing_data.admission import OrderRow, Sequenced
from tasks.messages import CancelRequest, Command, CommandBatch, OrderReport, OrderRequest, PlaceOrder
from tasks.order_entry.rules import Admitted, DenialReason, Denied, Request

# Entries in one message to a stage behind.
MAX_BATCH = 2_000


def order_row(order: OrderRequest, decision: Admitted | Denied, now_us: int) -> OrderRow:
    """An order, admitted or not, as it goes into the register."""
    if isinstance(decision, Admitted):
        assert isinstance(decision.command, PlaceOrder)
        return _row(
            order, now_us, time_in_force=decision.command.time_in_force, hold_cents=decision.command.price_cents
        )
    return _row(order, now_us, time_in_force=order.time_in_force, hold_cents=0, denied=decision.reason)


def _row(
    order: OrderRequest, now_us: int, *, time_in_force: str, hold_cents: int, denied: DenialReason | None = None
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
    )


def report(request: Request, denied: str | None, now_us: int) -> OrderReport:
    """What the client is told of a request; `denied` is why it was, None when it was not."""
    status: Literal["confirmed", "denied"] = "denied" if denied else "confirmed"
    if isinstance(request, CancelRequest):
        return OrderReport(
            request.command_id,
            "cancel",
            status,
            request.order_id,
            request.client_id,
            request.security_id,
            None,
            None,
            None,
            denied,
            request.received_us,
            now_us,
        )
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


def batches_of(shard: int, first_seq: int, commands: Sequence[Command]) -> list[CommandBatch]:
    """Commands that follow each other in the log, as messages to the engine."""
    return [
        CommandBatch(shard, first_seq + start, list(commands[start : start + MAX_BATCH]))
        for start in range(0, len(commands), MAX_BATCH)
    ]


def batches_of_earlier(sequenced: Collection[Sequenced]) -> list[CommandBatch]:
    """Commands from anywhere in the logs, as messages to the engine, each without a gap."""
    in_order = sorted(sequenced, key=lambda one: (one.shard, one.seq))
    runs = groupby(enumerate(in_order), key=lambda placed: (placed[1].shard, placed[1].seq - placed[0]))
    batches = []
    for (shard, _), placed in runs:
        run = [one for _, one in placed]
        batches += batches_of(shard, run[0].seq, [one.command for one in run])
    return batches
