"""Replaces the terms of an open order, in any phase."""

from __future__ import annotations

from msgspec import structs

from tasks.matching.rules.book import Book
from tasks.matching.rules.journal import Journal
from tasks.matching.rules.levels import RestingOrder
from tasks.matching.rules.phases import withdraw
from tasks.matching.rules.placing import MAX_QUANTITY, auction_refusal, enter, follow_up
from tasks.matching.rules.waiting import OpenOrder, WaitingOrder
from tasks.messages import PlaceOrder, ReplaceOrder


def refusal(book: Book, order: OpenOrder, replace: ReplaceOrder) -> str | None:
    """Return why a replacement of a client's own open order is refused; None if it is not."""
    if order.side != replace.side:
        return "wrong_side"
    if book.phase in ("halted", "closed"):
        return book.phase
    if not (replace.quantity is None or 0 < replace.quantity <= MAX_QUANTITY):
        return "out_of_range"
    if not (replace.price_cents is None or replace.price_cents > 0):
        return "out_of_range"
    return None


def change(journal: Journal, book: Book, order: OpenOrder, replace: ReplaceOrder) -> None:
    """Give an open order its new terms, with which it may trade; close it if nothing is left to trade."""
    now_us = replace.sequenced_us
    old_open = order.open_quantity
    filled = order.total - old_open
    total = order.total if replace.quantity is None else replace.quantity
    price_cents, hold_cents = order.price_cents, order.hold_cents
    if total <= filled:
        journal.replace(
            order, replace, total=order.total, price_cents=price_cents, open_quantity=old_open, hold_cents=hold_cents
        )
        withdraw(journal, book, order, "cancelled", now_us)
        return
    if replace.price_cents is not None:
        price_cents, hold_cents = replace.price_cents, replace.hold_cents or replace.price_cents
    keeps_place = price_cents == order.price_cents and total < order.total
    incoming: PlaceOrder | None = None
    if type(order) is RestingOrder and not keeps_place:
        incoming = _incoming(order, total - filled, price_cents, hold_cents, now_us)
        reason = auction_refusal(book, incoming) if book.phase == "auction" else None
        if reason:
            journal.refuse_replace(replace, reason)
            return
    journal.replace(
        order, replace, total=total, price_cents=price_cents, open_quantity=total - filled, hold_cents=hold_cents
    )
    if type(order) is WaitingOrder:
        terms = structs.replace(order.order, quantity=total, price_cents=price_cents, hold_cents=hold_cents)
        if keeps_place:
            order.order = terms
        else:
            book.forget(order)
            book.wait(terms)
        return
    assert type(order) is RestingOrder
    if incoming is None:
        order.hold_cents = hold_cents
        book.shrink(order, total, now_us)
        return
    book.remove(order, now_us)
    if book.phase == "auction":
        book.collect(incoming, incoming.quantity, total)
    else:
        enter(journal, book, incoming, total, "cancelled")
        follow_up(journal, book, now_us)


def _incoming(order: RestingOrder, quantity: int, price_cents: int, hold_cents: int, now_us: int) -> PlaceOrder:
    """Return a resting order as it enters the book again with its new terms."""
    return PlaceOrder(
        order_id=order.order_id,
        client_id=order.client_id,
        security_id=order.security_id,
        type="market" if order.time_in_force == "ioc" else "limit",  # RestingOrder says why
        side=order.side,
        quantity=quantity,
        price_cents=price_cents,
        time_in_force=order.time_in_force,
        post_only=order.post_only,
        sequenced_us=now_us,
        display_quantity=order.display_quantity or None,
        hold_cents=hold_cents,
    )
