"""The trading day of a security: its phases, the uncross that ends an auction, and its end.

continuous  orders trade as they come
auction     orders are collected; the uncross trades them at one price
halted      cancels only
closed      cancels only; day orders expire as it begins
"""

from __future__ import annotations

from typing import Final

from tasks.matching.rules.book import Book
from tasks.matching.rules.journal import Journal
from tasks.matching.rules.levels import RestingOrder
from tasks.matching.rules.placing import begin_auction, collect_waiting, trigger
from tasks.matching.rules.waiting import OpenOrder, WaitingOrder
from tasks.messages import (
    MAX_EVENTS_PER_COMMAND,
    DelistSecurity,
    ListSecurity,
    Phase,
    PhaseCause,
    SecurityCommand,
    SetBand,
    SetHalt,
    SetPhase,
    SettleSecurity,
)

# How many orders of each side one command fills, and closes for each reason, so that the event numbers of a command
# suffice: a trade fills at least one of two orders, so a command makes at most four times this many events, which is
# half of the numbers.
MOST_ORDERS: Final = MAX_EVENTS_PER_COMMAND // 8


def change_security(journal: Journal, book: Book, command: SecurityCommand) -> None:
    """Apply a command to a security; one that was delisted or settled stays as it is."""
    if book.is_over:
        return
    if type(command) is SetPhase:
        _set_phase(journal, book, command.phase, command.cause, command.ends_us, command.sequenced_us)
    elif type(command) is SetHalt:
        phase: Phase = "halted" if command.halted else "continuous"
        _set_phase(journal, book, phase, "admin", None, command.sequenced_us, is_reported=False)
    elif type(command) is SetBand:
        book.band_ppm = command.band_ppm
    elif type(command) is ListSecurity:
        book.reference_cents, book.band_ppm = command.reference_cents, command.band_ppm
    elif type(command) is DelistSecurity:
        _end(journal, book, "closed", command.sequenced_us)
    else:
        assert type(command) is SettleSecurity
        if _end(journal, book, "settled", command.sequenced_us):
            journal.settle(book.security_id, command.value_cents, command.sequenced_us)


def _set_phase(
    journal: Journal,
    book: Book,
    phase: Phase,
    cause: PhaseCause,
    ends_us: int | None,
    now_us: int,
    *,
    is_reported: bool = True,
) -> None:
    """Change the phase.

    An auction that trading or the close follows ends with its uncross; a halt or another auction only postpones it.
    Orders that were collected before a halt are uncrossed before trading resumes.
    """
    uncrosses = book.phase != "continuous" if phase == "continuous" else (book.phase, phase) == ("auction", "closed")
    if uncrosses and not _uncross(journal, book, now_us):
        return
    if phase == "closed":
        due = [order for order in book.open_orders() if order.time_in_force == "day"]
        if not _withdraw_all(journal, book, due, "expired", now_us):
            return
    if (phase, cause, ends_us) == (book.phase, book.cause, book.ends_us):
        return
    if phase == "auction":
        begin_auction(journal, book, cause, ends_us, now_us)
        collect_waiting(journal, book, now_us)
        return
    book.set_phase(phase, cause, ends_us)
    if is_reported:
        journal.change_phase(book.security_id, phase, cause, ends_us, now_us)
    if phase == "continuous":
        trigger(journal, book, book.reached_by_last(), now_us)


def _uncross(journal: Journal, book: Book, now_us: int) -> bool:
    """Trade everything that can trade at one price, and cancel the rest of the orders for this auction only.

    returns  whether the uncross is complete; otherwise the next command that ends the auction continues it
    """
    indication = book.indication()
    if indication.price_cents is not None:
        volume = book.fillable(indication.volume, MOST_ORDERS)
        trades = book.uncross(indication.price_cents, volume, closed=journal.closed, now_us=now_us)
        for trade in trades:
            journal.trade(
                book.security_id,
                trade.sequence,
                price_cents=indication.price_cents,
                quantity=trade.quantity,
                buy=trade.buy,
                sell=trade.sell,
                now_us=now_us,
            )
        if volume < indication.volume:
            return False
    left: list[OpenOrder] = [order for order in book.resting() if order.time_in_force in ("auction", "ioc")]
    return _withdraw_all(journal, book, sorted(left, key=lambda order: order.order_id), "unfilled", now_us)


def _end(journal: Journal, book: Book, reason: str, now_us: int) -> bool:
    """Close a security for good; return False if another command must close the remaining orders."""
    if not _withdraw_all(journal, book, book.open_orders(), reason, now_us):
        return False
    book.is_over = True
    book.set_phase("closed", "admin", None)
    journal.change_phase(book.security_id, "closed", "admin", None, now_us)
    return True


def _withdraw_all(journal: Journal, book: Book, orders: list[OpenOrder], reason: str, now_us: int) -> bool:
    """Cancel as many orders as one command may; return whether that was all of them."""
    for order in orders[:MOST_ORDERS]:
        withdraw(journal, book, order, reason, now_us)
    return len(orders) <= MOST_ORDERS


def withdraw(journal: Journal, book: Book, order: OpenOrder, reason: str, now_us: int) -> None:
    """Cancel the open quantity of an order."""
    if type(order) is WaitingOrder:
        book.forget(order)
        journal.close(order.order, order.open_quantity, "cancelled", reason, now_us)
    else:
        assert type(order) is RestingOrder
        journal.cancel(order, book.remove(order, now_us), reason, now_us)
