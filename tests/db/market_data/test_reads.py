from __future__ import annotations

import pytest
from msgspec.structs import replace

from db.connect import Database
from db.market_data import reads
from tasks.data_feed.record import record
from tasks.data_feed.rules.rows import Candle
from tasks.messages import (
    CancelRefused,
    FeedBatch,
    OrderClosed,
    OrderReplaced,
    OrderTriggered,
    ReplaceRefused,
    TradeFailed,
    TradeMade,
    event_id,
)
from tests.support.feed import CLIENTS, NOW_US, book_update, flow_of, trade
from tests.tasks.data_feed.rules.test_reports import entry_report

ORDER = entry_report(order_id=6, event_id=6)
DENIED = entry_report(order_id=6, event_id=6, status="denied", reason="insufficient_funds")
TRADE = trade(3)  # of order 6, who buys


def closed(reason: str) -> OrderClosed:
    status = "rejected" if reason == "would_cross" else "cancelled"
    return OrderClosed(event_id(0, 5, 0), 6, "ANN", "MSFT", "buy", 3, 10_010, status, reason, closed_us=NOW_US)


def refused(client_id: str = "ANN") -> CancelRefused:
    return CancelRefused(event_id(0, 9, 0), 6, client_id, "MSFT", "unknown_order", refused_us=NOW_US)


ASKED = entry_report(event_id=8, order_id=6, request="replace", side=None, quantity=9, price_cents=None)
NOT_ADMITTED = entry_report(
    event_id=8, order_id=6, request="replace", status="denied", side=None, quantity=9, reason="insufficient_funds"
)
REPLACED = OrderReplaced(
    event_id(0, 4, 0), 8, 6, "ANN", "MSFT", "buy", 9, 10_000, 5, 10_010, 9, 10_000, 0, replaced_us=NOW_US
)
NOT_REPLACED = ReplaceRefused(event_id(0, 4, 0), 8, 6, "ANN", "MSFT", "buy", 0, "halted", refused_us=NOW_US)
TRIGGERED = OrderTriggered(event_id(0, 4, 0), 6, "ANN", "MSFT", "buy", 9, 10_000, triggered_us=NOW_US)


def entry(*reports: object) -> FeedBatch:
    return FeedBatch("order_entry", NOW_US, orders=list(reports))


def matching(**lists: object) -> FeedBatch:
    return FeedBatch("matching", NOW_US, **lists)


SETTLED = FeedBatch("order_execution", NOW_US, settled=[TRADE])


FAILED = FeedBatch("order_execution", NOW_US, failed=[TradeFailed(TRADE, "account_closed")])


@pytest.mark.parametrize(
    ("batches", "status"),
    [
        ([entry(ORDER)], "new"),
        ([entry(DENIED)], "rejected"),
        ([entry(ORDER), matching(trades=[TRADE])], "filled"),
        ([entry(ORDER), matching(trades=[TRADE]), SETTLED], "settled"),
        ([SETTLED, matching(trades=[TRADE]), entry(ORDER)], "settled"),
        ([entry(ORDER), matching(closed=[closed("cancelled")])], "cancelled"),
        ([entry(ORDER), matching(closed=[closed("unfilled")])], "cancelled"),
        ([entry(ORDER), matching(closed=[closed("self_trade")])], "cancelled"),
        ([entry(ORDER), matching(closed=[closed("would_cross")])], "rejected"),
        ([entry(ORDER), matching(trades=[TRADE], closed=[closed("unfilled")]), SETTLED], "cancelled"),
        ([entry(ORDER), matching(trades=[TRADE]), matching(refused=[refused()])], "filled"),
        ([entry(ORDER), matching(trades=[TRADE]), SETTLED, matching(refused=[refused()])], "settled"),
        ([matching(refused=[refused()])], None),
        ([entry(ORDER, NOT_ADMITTED)], "new"),
        ([entry(ORDER, ASKED), matching(replaces_refused=[NOT_REPLACED])], "new"),
        ([entry(ORDER, ASKED), matching(replaced=[REPLACED])], "new"),
        ([matching(replaced=[REPLACED]), matching(trades=[TRADE]), entry(ORDER, ASKED)], "partially_filled"),
        ([entry(ORDER, ASKED), matching(replaced=[REPLACED], closed=[closed("would_cross")])], "cancelled"),
        ([entry(ORDER), matching(triggered=[TRIGGERED])], "new"),
        ([entry(ORDER), matching(triggered=[TRIGGERED], closed=[closed("would_cross")])], "cancelled"),
        ([entry(ORDER), matching(trades=[TRADE]), FAILED], "failed"),
        ([entry(entry_report(event_id=6, order_id=6, request="mass_cancel", side=None))], None),
        ([], None),
    ],
)
def test_status_of_an_order(market_data: Database, batches: list[FeedBatch], status: str | None) -> None:
    for batch in batches:
        record(market_data, [batch], taken_us=1)
    with market_data.snapshot() as tx:
        assert reads.order_status(tx, "MSFT", 6, client_id="ANN") == status
        assert reads.order_status(tx, "MSFT", 6, client_id=None) == status
        assert reads.order_status(tx, "MSFT", 6, client_id="BOB") is None
        assert reads.order_status(tx, "TSLA", 6, client_id="ANN") is None


PARTS = [replace(TRADE, event_id=event_id(0, seq, 0), sequence=seq) for seq in (3, 4, 5)]  # of one order
NINE = entry_report(order_id=6, event_id=6, quantity=sum(part.quantity for part in PARTS))


def settled(*parts: TradeMade) -> FeedBatch:
    return FeedBatch("order_execution", NOW_US, settled=list(parts))


@pytest.mark.parametrize(
    ("batches", "status"),
    [
        ([matching(trades=PARTS[:1])], "partially_filled"),
        ([matching(trades=PARTS[:1]), settled(*PARTS[:1])], "partially_filled"),
        ([matching(trades=PARTS[:2]), settled(*PARTS[:2])], "partially_filled"),
        ([matching(trades=PARTS)], "filled"),
        ([matching(trades=PARTS), settled(PARTS[2])], "filled"),
        ([matching(trades=PARTS), settled(*PARTS[1:])], "filled"),
        ([matching(trades=PARTS), settled(*PARTS)], "settled"),
        ([settled(*PARTS)], "settled"),
    ],
)
def test_50_the_status_of_a_partly_filled_order(market_data: Database, batches: list[FeedBatch], status: str) -> None:
    for batch in [entry(NINE), *batches]:
        record(market_data, [batch], taken_us=1)
    with market_data.snapshot() as tx:
        assert reads.order_status(tx, "MSFT", 6, client_id="ANN") == status


def test_the_last_report_is_the_last_one_told_to_the_client(market_data: Database) -> None:
    for number, batch in enumerate([entry(ORDER), matching(trades=[TRADE]), matching(refused=[refused("EVE")])]):
        record(market_data, [batch], taken_us=number)
    with market_data.snapshot() as tx:
        mine = reads.last_report(tx, "MSFT", 6, client_id="ANN")
        anyones = reads.last_report(tx, "MSFT", 6, client_id=None)
        assert reads.last_report(tx, "MSFT", 7, client_id="ANN") is None
    assert mine is not None
    assert (mine.event_type, mine.sequence) == ("trade", 2)
    assert anyones is not None
    assert (anyones.client_id, anyones.reason) == ("EVE", "unknown_order")


def test_pages_of_reports_and_trades_are_whole_and_in_order(market_data: Database) -> None:
    flow = flow_of(5, units=6)
    for batch in flow.batches:
        record(market_data, [batch], taken_us=1)
    with market_data.snapshot() as tx:
        for client_id in CLIENTS:
            head = reads.report_head(tx, client_id)
            paged: list[int] = []
            while page := reads.reports(tx, client_id, before=paged[-1] if paged else reads.NEWEST, limit=4):
                assert {report.client_id for report in page} == {client_id}
                paged += [report.sequence for report in page]
            assert paged == list(range(head, 0, -1))
            assert [r.sequence for r in reads.reports_after(tx, client_id, after=2, limit=3)] == [3, 4, 5]
        newest = reads.trades(tx, "MSFT", limit=3)
        older = reads.trades(tx, "MSFT", before=newest[-1].sequence, limit=1_000)
    made = [one.sequence for one in flow.trades if one.security_id == "MSFT"]
    assert [one.sequence for one in newest + older] == made[::-1]


def test_book_to_a_depth_best_first(market_data: Database) -> None:
    update = book_update(
        4,
        previous=0,
        bids=[(9_980, 1, 1), (9_990, 2, 1), (9_970, 3, 1), (9_995, 0, 0)],
        asks=[(10_020, 5, 2), (10_010, 4, 1)],
    )
    record(market_data, [matching(books=[update])], taken_us=1)
    with market_data.snapshot() as tx:
        book = reads.book(tx, "MSFT", depth=2)
        whole = reads.book(tx, "MSFT")
        assert reads.book(tx, "TSLA") is None
        assert reads.price(tx, "TSLA") is None
    assert book is not None
    assert (book.sequence, book.bids, book.asks) == (
        4,
        [(9_990, 2, 1), (9_980, 1, 1)],
        [(10_010, 4, 1), (10_020, 5, 2)],
    )
    assert whole is not None
    assert len(whole.bids) == 3


def test_candles_oldest_first(market_data: Database) -> None:
    trades = [trade(number, traded_us=NOW_US + number * 1_000_000, price_cents=10_000 + number) for number in (1, 2, 3)]
    record(market_data, [matching(trades=trades)], taken_us=1)
    start_s = NOW_US // 1_000_000
    with market_data.snapshot() as tx:
        assert reads.candles(tx, "MSFT", interval_s=1, limit=2) == [
            Candle("MSFT", 1, start_s + number, *[10_000 + number] * 4, 5, number, number) for number in (2, 3)
        ]
        assert [one.volume for one in reads.candles(tx, "MSFT", interval_s=3600, limit=9)] == [15]
