"""Cancels of one order, and of all open orders of a client on a shard.

They are admitted even for a stopped client or a halted security, because they only ever reduce the risk. Only the
purchases of a buy-in stay: without them, the client's shares stay owed.
"""

from __future__ import annotations

from tasks.messages import CancelOrder, CancelRequest, MassCancel, MassCancelRequest
from tasks.order_entry.rules.decisions import Admitted, Denied
from tasks.order_entry.rules.desk import Desk
from tasks.order_entry.rules.rows import ANY_ORDER, CancelMark, KnownOrder


def decide_cancel(desk: Desk, cancel: CancelRequest) -> Admitted | Denied:
    """Admit the cancel of an order that is open.

    An order that order entry has not seen may have been accepted nevertheless, and be in progress on another worker.
    The cancel is then denied, but leaves a mark so that the order is cancelled when it arrives. The mark does not apply
    to an order with this number that the api accepted after the cancel.
    """
    security = desk.securities.get(cancel.security_id)
    if security is None:
        return Denied(cancel, "unknown_security")
    if cancel.client_id not in desk.funds:
        return Denied(cancel, "unknown_account")
    order = desk.orders.get(cancel.order_id)
    if order is None and cancel.order_id < desk.issued_below:
        desk.mark(
            CancelMark(cancel.client_id, cancel.order_id, security.shard, cancel.security_id, "", cancel.received_us)
        )
    if order == KnownOrder(cancel.client_id, cancel.security_id, is_open=True, is_buy_in=True):
        return Denied(cancel, "buy_in")
    if order != KnownOrder(cancel.client_id, cancel.security_id, is_open=True):
        return Denied(cancel, "unknown_order")
    command = CancelOrder(cancel.command_id, cancel.client_id, cancel.security_id, cancel.order_id, desk.now_us)
    return Admitted(cancel, command, security.shard)


def decide_mass_cancel(desk: Desk, cancel: MassCancelRequest) -> Admitted | Denied:
    """Admit a mass cancel of the orders that are open now, if any; later mass cancels do not take the same orders.

    It leaves a mark for the client's orders that the api accepted before it and that have yet to arrive. One that names
    a security goes to the shard of the security, whatever shard it names.
    """
    if cancel.client_id not in desk.funds:
        return Denied(cancel, "unknown_account")
    if cancel.shard not in desk.shards:
        return Denied(cancel, "unknown_shard")
    shard = cancel.shard
    if cancel.security_id is not None:
        security = desk.securities.get(cancel.security_id)
        if security is None:
            return Denied(cancel, "unknown_security")
        shard = security.shard  # it may have moved since the api looked
    desk.mark(
        CancelMark(cancel.client_id, ANY_ORDER, shard, cancel.security_id or "", cancel.side or "", cancel.received_us)
    )
    of_client = desk.open_orders.get(cancel.client_id, {})
    order_ids = [
        order.order_id
        for order in of_client.values()
        if desk.securities[order.security_id].shard == shard
        and cancel.security_id in (None, order.security_id)
        and cancel.side in (None, order.side)
    ]
    for order_id in order_ids:
        del of_client[order_id]
    command = MassCancel(cancel.command_id, cancel.client_id, order_ids, desk.now_us)
    return Admitted(cancel, command, shard)
