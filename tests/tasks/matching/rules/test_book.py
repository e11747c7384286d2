"""The book alone: the levels that it publishes, and those that it keeps."""

from __future__ import annotations

from tasks.matching.rules.book import Book
from tasks.matching.rules.levels import RestingOrder
from tasks.messages import BookUpdate, PlaceOrder


def order(order_id: int, side: str, quantity: int, price_cents: int, client_id: str = "ANN") -> PlaceOrder:
    return PlaceOrder(order_id, client_id, "MSFT", "limit", side, quantity, price_cents, "gtc", False, 1_000 + order_id)  # type: ignore[arg-type]


def rest(book: Book, *orders: PlaceOrder) -> None:
    for one in orders:
        book.rest(one, one.quantity, one.quantity)


def test_an_update_has_the_levels_that_changed_since_the_last_one() -> None:
    book = Book("MSFT", {}, {})
    rest(book, order(1, "buy", 5, 99), order(2, "buy", 6, 99), order(3, "buy", 7, 98), order(4, "sell", 8, 101))
    assert book.update() == BookUpdate(
        "MSFT", 0, 4, False, bids=[(99, 11, 2), (98, 7, 1)], asks=[(101, 8, 1)],
        bid_cents=99, ask_cents=101, last_cents=None, updated_us=1_004,
    )  # fmt: skip
    assert book.update() is None
    book.match(order(5, "sell", 5, 99, "BOB"), 1, [], set())
    book.remove(book._open_orders[4], 1_006)
    assert book.update() == BookUpdate(
        "MSFT", 4, 6, False, bids=[(99, 6, 1)], asks=[(101, 0, 0)],
        bid_cents=99, ask_cents=None, last_cents=99, updated_us=1_006,
    )  # fmt: skip


def test_a_snapshot_has_every_level_and_counts_as_published() -> None:
    book = Book("MSFT", {}, {})
    rest(book, order(1, "buy", 5, 99), order(2, "sell", 6, 101))
    assert book.update() is not None
    rest(book, order(3, "sell", 7, 102))
    assert book.snapshot() == BookUpdate(
        "MSFT", 2, 3, True, bids=[(99, 5, 1)], asks=[(101, 6, 1), (102, 7, 1)],
        bid_cents=99, ask_cents=101, last_cents=None, updated_us=1_003,
    )  # fmt: skip
    assert book.update() is None


def test_a_match_without_trades_changes_nothing() -> None:
    book = Book("MSFT", {}, {})
    rest(book, order(1, "sell", 5, 101))
    book.update()
    assert book.match(order(2, "buy", 5, 101, "ANN"), 1, [], set()) == (5, True)
    assert book.update() is None


def test_a_queue_is_swept_of_cancelled_orders() -> None:
    book = Book("MSFT", {}, {})
    rest(book, *(order(number, "sell", number, 100) for number in range(1, 101)))
    level = book._levels[-100]
    for number in range(1, 100):
        assert book.remove(book._open_orders[number], 0) == number
        assert len(level.queue) <= 2 * level.count + 8
    update = book.update()
    assert update is not None
    assert update.asks == [(100, 100, 1)]


def test_a_queue_is_swept_of_filled_orders() -> None:
    book = Book("MSFT", {}, {})
    rest(book, *(order(number, "sell", 1, 100) for number in range(1, 101)))
    level = book._levels[-100]
    closed: set[int] = set()
    for number in range(1, 100):
        book.match(order(1_000 + number, "buy", 1, 100, "BOB"), 1, [], closed)
        assert len(level.queue) <= 2 * level.count + 8
    assert closed == set(range(1, 100))
    assert list(book._open_orders) == [100]


def test_an_empty_level_behind_the_best_is_invisible_and_reused() -> None:
    book = Book("MSFT", {}, {})
    rest(book, order(1, "sell", 5, 100), order(2, "sell", 6, 101), order(3, "sell", 7, 102))
    book.remove(_resting(book, 2), 0)
    assert book.snapshot().asks == [(100, 5, 1), (102, 7, 1)]
    rest(book, order(4, "sell", 8, 101))
    assert book.snapshot().asks == [(100, 5, 1), (101, 8, 1), (102, 7, 1)]
    assert book._empty_levels == 0


def test_empty_levels_go_with_the_best_one() -> None:
    book = Book("MSFT", {}, {})
    rest(book, *(order(price_cents, "buy", 1, price_cents) for price_cents in (97, 98, 99, 100)))
    book.remove(_resting(book, 98), 0)
    book.remove(_resting(book, 99), 0)
    assert book.match(order(1, "sell", 1, 100, "BOB"), 1, [], set()) == (0, False)
    assert (book.best_bid, book._bid_keys, book._empty_levels) == (97, [97], 0)
    book.remove(_resting(book, 97), 0)
    update = book.snapshot()
    assert (update.bids, update.bid_cents, book._levels) == ([], None, {})


def test_empty_levels_are_dropped_when_they_outnumber_the_others() -> None:
    book = Book("MSFT", {}, {})
    rest(book, *(order(price_cents, "buy", 1, price_cents) for price_cents in range(1, 101)))
    for price_cents in range(1, 100):
        book.remove(_resting(book, price_cents), 0)
        assert book._empty_levels <= len(book._levels) // 2 + 8
        assert book._empty_levels == sum(not level.count for level in book._levels.values())
    assert book.snapshot().bids == [(100, 1, 1)]


def _resting(book: Book, order_id: int) -> RestingOrder:
    resting = book._open_orders[order_id]
    assert isinstance(resting, RestingOrder)
    return resting
