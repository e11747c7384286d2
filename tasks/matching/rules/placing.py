"""The entry of an order into a book, whether it is new, replaced, triggered or has waited for an auction."""

from __future__ import annotations

from collections import deque
from typing import Final

from msgspec import structs

from tasks.matching.rules.book import Book
from tasks.matching.rules.journal import Journal, Refusal
from tasks.matching.rules.waiting import WaitingOrder
from tasks.messages import MAX_EVENTS_PER_COMMAND, RESTING, OrderType, PhaseCause, PlaceOrder, TradeMade

# An order can make a trade for each of its shares, and the event numbers of a command are limited. The other half of
# the numbers is for cancels that waited for the order, and for stop orders that it triggers.
MAX_QUANTITY: Final = MAX_EVENTS_PER_COMMAND // 2

# A stop order is triggered, and its rest is closed.
_EVENTS_BESIDES_TRADES: Final = 2


def fault(order: PlaceOrder) -> str | None:
    """Return why an order is invalid for any book; None if it is valid."""
    if not 0 < order.quantity <= MAX_QUANTITY or order.price_cents <= 0:
        return "out_of_range"
    if (order.stop_price_cents is not None) != (order.type in ("stop", "stop_limit")):
        return "invalid_terms"
    if order.expires_us is None and order.time_in_force == "gtd":
        return "invalid_terms"
    if order.time_in_force == "auction" and (order.type not in ("limit", "market") or order.post_only):
        return "invalid_terms"
    if order.display_quantity is not None and not (
        order.type in ("limit", "stop_limit")
        and order.time_in_force in RESTING
        and 0 < order.display_quantity <= order.quantity
    ):
        return "invalid_terms"
    return None


def place(journal: Journal, book: Book, order: PlaceOrder) -> None:
    """Place a new order in a book in any phase."""
    if book.phase == "auction":
        reason = auction_refusal(book, order)
        if reason:
            journal.close(order, order.quantity, "rejected", reason, order.sequenced_us)
        elif order.stop_price_cents is not None:
            book.wait(order)
        else:
            book.collect(order, order.quantity, order.quantity)
    elif book.phase != "continuous":
        journal.close(order, order.quantity, "rejected", book.phase, order.sequenced_us)
    elif order.stop_price_cents is not None:
        book.wait(order)
        trigger(journal, book, book.reached_by_last(), order.sequenced_us)
    elif order.time_in_force == "auction":
        book.wait(order)
    else:
        enter(journal, book, order, order.quantity, "rejected")
        follow_up(journal, book, order.sequenced_us)


def auction_refusal(book: Book, order: PlaceOrder) -> str | None:
    """Return why an auction refuses an order; None if it does not. A stop order waits, so it meets no other order."""
    if order.post_only or (order.type in ("limit", "stop_limit") and order.time_in_force in ("ioc", "fok")):
        return "not_in_auction"
    if order.stop_price_cents is None and _crosses_own(book, order):
        return "self_trade"
    return None


def _crosses_own(book: Book, order: PlaceOrder) -> bool:
    assert book.auction is not None
    return book.meets(order) and book.auction.crosses_own(
        order.client_id, order.price_cents if order.side == "buy" else -order.price_cents
    )


# -- continuous trading ----------------------------------------------------------------------------------------------


def enter(journal: Journal, book: Book, order: PlaceOrder, total: int, refusal: Refusal) -> None:
    """Enter an order into a book in continuous trading: trade it, let it rest, or close it.

    total    quantity with which it was placed or replaced: its open quantity plus its filled quantity [shares]
    refusal  status of a post-only order that would trade
    """
    if book.meets(order):
        trade(journal, book, order, total, refusal)
    elif order.time_in_force in RESTING and order.type == "limit":
        book.collect(order, order.quantity, total)
    else:
        journal.close(order, order.quantity, "cancelled", "unfilled", order.sequenced_us)


def trade(journal: Journal, book: Book, order: PlaceOrder, total: int, refusal: Refusal) -> None:
    """Trade an order whose limit reaches the other side; the parameters are those of `enter`."""
    if order.post_only:
        journal.close(order, order.quantity, refusal, "would_cross", order.sequenced_us)
        return
    band_key = None if book.band_ppm is None else book.band_key(order.side)
    if order.time_in_force == "fok" and not book.could_fill(order, band_key):
        if book.could_fill(order):
            _stop_at_band(journal, book, order, order.quantity, total)
        else:
            journal.close(order, order.quantity, "cancelled", "unfilled", order.sequenced_us)
        return
    rest, met_own = book.match(
        order, journal.base + journal.seq * MAX_EVENTS_PER_COMMAND, journal.events, journal.closed, band_key
    )
    if not rest:
        journal.closed.add(order.order_id)
    elif met_own:
        journal.close(order, rest, "cancelled", "self_trade", order.sequenced_us)
    elif band_key is not None and book.meets(order):
        _stop_at_band(journal, book, order, rest, total)
    elif order.type != "limit":
        journal.close(order, rest, "cancelled", "unfilled", order.sequenced_us)
    elif order.time_in_force == "gtc":
        book.rest(order, rest, total)
    elif order.time_in_force in RESTING:
        book.collect(order, rest, total)
    else:
        journal.close(order, rest, "cancelled", "unfilled", order.sequenced_us)


def _stop_at_band(journal: Journal, book: Book, order: PlaceOrder, rest: int, total: int) -> None:
    """Begin an auction for an order that would trade beyond the band, unless with an order of its own client."""
    if book.first_reached(order).client_id == order.client_id:
        journal.close(order, rest, "cancelled", "self_trade", order.sequenced_us)
        return
    begin_auction(journal, book, "volatility", None, order.sequenced_us)
    if order.time_in_force not in RESTING or order.type != "limit":
        journal.close(order, rest, "cancelled", "unfilled", order.sequenced_us)
    elif _crosses_own(book, order):
        journal.close(order, rest, "cancelled", "self_trade", order.sequenced_us)
    else:
        book.collect(order, rest, total)
    collect_waiting(journal, book, order.sequenced_us)


# -- stop orders -----------------------------------------------------------------------------------------------------


def follow_up(journal: Journal, book: Book, now_us: int) -> None:
    """Trigger the stop orders that the trades of this command have reached."""
    if book.stops.waiting and book.phase == "continuous":
        trigger(journal, book, _reached(journal, book, 0), now_us)


def trigger(journal: Journal, book: Book, reached: list[WaitingOrder], now_us: int) -> None:
    """Trigger stop orders that trades have reached, by their arrival, and after them the stop orders that they reach.

    If one of them begins an auction, the others keep waiting, and so do the stop orders that it reached.
    """
    triggered = deque(reached)
    while triggered:
        stop = triggered.popleft().order
        # Each of the others may need the number of an event, if only for its close, and so does an auction that begins.
        others = len(triggered) + len(book.stops.waiting) + len(book.for_auction.waiting) + (book.band_ppm is not None)
        since = len(journal.events)
        if since + stop.quantity + _EVENTS_BESIDES_TRADES + others > MAX_EVENTS_PER_COMMAND:
            journal.close(stop, stop.quantity, "cancelled", "too_many_events", now_us)
            continue
        journal.trigger(stop, now_us)
        order_type: OrderType = "market" if stop.type == "stop" else "limit"
        order = structs.replace(stop, type=order_type, stop_price_cents=None, sequenced_us=now_us)
        enter(journal, book, order, order.quantity, "cancelled")
        if book.phase != "continuous":
            book.wait_again(triggered)
            return
        triggered.extend(_reached(journal, book, since))


def _reached(journal: Journal, book: Book, since: int) -> list[WaitingOrder]:
    """Take out the stop orders that the trades from events[since] on have reached."""
    prices_cents = [event.price_cents for event in journal.events[since:] if type(event) is TradeMade]
    if not prices_cents:
        return []
    return book.triggered(lowest_cents=min(prices_cents), highest_cents=max(prices_cents))


# -- auctions --------------------------------------------------------------------------------------------------------


def begin_auction(journal: Journal, book: Book, cause: PhaseCause, ends_us: int | None, now_us: int) -> None:
    """Begin an auction: from now on the book collects orders."""
    book.set_phase("auction", cause, ends_us)
    journal.change_phase(book.security_id, "auction", cause, ends_us, now_us)


def collect_waiting(journal: Journal, book: Book, now_us: int) -> None:
    """Move the orders that waited for an auction into the book, by their arrival."""
    for waiting in list(book.for_auction.waiting.values()):
        order = waiting.order
        book.forget(waiting)
        if _crosses_own(book, order):
            journal.close(order, order.quantity, "cancelled", "self_trade", now_us)
        else:
            book.collect(structs.replace(order, sequenced_us=now_us), order.quantity, order.quantity)
