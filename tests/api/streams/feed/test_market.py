from __future__ import annotations

from api.streams.feed.market import LATEST_TRADES, Market, Outcome
from tasks.data_feed.rules.rows import Book, Level, Price, Trade


def change(market: Market, previous_sequence: int, sequence: int, *bids: Level) -> Outcome:
    return market.change_book(
        previous_sequence=previous_sequence, sequence=sequence, changed_us=sequence, bids=bids, asks=()
    )


def made(sequence: int) -> Trade:
    return Trade("MSFT", sequence, sequence, 10_000, 1, "buy", sequence)


def test_prices_only_go_forward() -> None:
    market = Market("MSFT")
    assert market.move_price(Price("MSFT", 2, 1, 2, None, 0)) is Outcome.APPLIED
    assert market.move_price(Price("MSFT", 2, 1, 2, None, 0)) is Outcome.OLD
    assert market.move_price(Price("MSFT", 1, 8, 9, None, 0)) is Outcome.OLD
    assert market.price.bid_cents == 1


def test_changes_of_the_book() -> None:
    market = Market("MSFT")
    assert change(market, 0, 2, (9_990, 5, 1), (9_980, 4, 2)) is Outcome.APPLIED
    assert change(market, 0, 2, (9_990, 9, 9)) is Outcome.OLD
    assert change(market, 3, 4, (9_990, 9, 9)) is Outcome.GAP
    assert change(market, 1, 3, (9_990, 0, 0)) is Outcome.APPLIED
    assert market.unsent_levels() == ([(9_980, 4, 2)], [])
    assert market.book() == Book("MSFT", 3, 3, bids=[(9_980, 4, 2)], asks=[])


def test_the_book_equals_the_updates_sent() -> None:
    market = Market("MSFT")
    change(market, 0, 1, (9_990, 5, 1), (9_980, 4, 2))
    market.unsent_levels()
    change(market, 1, 2, (9_990, 6, 2))
    change(market, 2, 3, (9_980, 0, 0), (9_970, 1, 1))
    change(market, 3, 4, (9_970, 0, 0))
    change(market, 4, 5, (9_960, 1, 1), (9_960, 1, 1))
    assert (market.sent_sequence, market.book_sequence) == (1, 5)
    assert market.book() == Book("MSFT", 1, 1, bids=[(9_990, 5, 1), (9_980, 4, 2)], asks=[])
    # 99.70 came and went between two updates.
    assert market.unsent_levels() == ([(9_990, 6, 2), (9_980, 0, 0), (9_960, 1, 1)], [])
    assert market.book() == Book("MSFT", 5, 5, bids=[(9_990, 6, 2), (9_960, 1, 1)], asks=[])
    assert market.unsent_levels() == ([], [])


def test_a_whole_book_leaves_no_update_to_send() -> None:
    market = Market("MSFT")
    change(market, 0, 1, (9_990, 5, 1))
    whole = Book("MSFT", 2, 2, bids=[(9_980, 1, 1)], asks=[])
    market.replace_book(whole)
    assert market.unsent_levels() == ([], [])
    assert market.book() == whole


def test_a_whole_book_replaces_unless_it_is_older() -> None:
    market = Market("MSFT")
    change(market, 0, 5, (9_990, 5, 1))
    assert market.replace_book(Book("MSFT", 4, 4, bids=[], asks=[])) is Outcome.OLD
    mended = Book("MSFT", 5, 5, bids=[(9_990, 5, 1), (9_980, 1, 1)], asks=[(10_010, 1, 1)])
    assert market.replace_book(mended) is Outcome.APPLIED
    assert market.book() == mended


def test_trades_are_new_once_late_ones_too() -> None:
    market = Market("MSFT")
    assert market.add_trades([made(3), made(4)]) == [made(3), made(4)]
    assert market.add_trades([made(4), made(5)]) == [made(5)]
    assert market.add_trades([made(1), made(2)]) == [made(1), made(2)]
    assert [trade.sequence for trade in market.trades] == [3, 4, 5]
    market.add_trades([made(number) for number in range(6, 200)])
    assert [trade.sequence for trade in market.trades] == list(range(200 - LATEST_TRADES, 200))
