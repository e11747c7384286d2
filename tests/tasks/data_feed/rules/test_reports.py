from __future__ import annotations

import msgspec
import pytest

from tasks.data_feed.rules.reports import reports_of
from tasks.data_feed.rules.rows import Report
from tasks.messages import (
    CancelRefused,
    EntryBatch,
    FeedBatch,
    OrderClosed,
    OrderReplaced,
    OrderReport,
    OrderTriggered,
    ReplaceRefused,
    TradeFailed,
    encode,
    event_id,
)
from tests.support.feed import NOW_US, trade

SENT_US = NOW_US + 9


def entry_report(**changed: object) -> OrderReport:
    fields: dict[str, object] = {
        "event_id": 17,
        "request": "order",
        "status": "confirmed",
        "order_id": 17,
        "client_id": "ANN",
        "security_id": "MSFT",
        "side": "buy",
        "quantity": 5,
        "price_cents": 10_010,
        "reason": None,
        "received_us": NOW_US,
        "reported_us": NOW_US + 1,
    }
    return OrderReport(**fields | changed)


def words(report: Report) -> tuple[object, ...]:
    return (
        report.order_id,
        report.client_id,
        report.event_type,
        "confirmed" if report.confirmed else "denied",
        report.side,
        report.quantity,
        report.price_cents,
        report.reason,
    )


def reported(**lists: object) -> list[tuple[object, ...]]:
    return [words(report) for report in reports_of([FeedBatch("matching", SENT_US, **lists)])]


def test_order_confirmed() -> None:
    assert reported(orders=[entry_report()]) == [(17, "ANN", "order", "confirmed", "buy", 5, 10_010, None)]


def test_order_denied() -> None:
    denied = entry_report(status="denied", reason="insufficient_funds")
    assert reported(orders=[denied]) == [(17, "ANN", "order", "denied", "buy", 5, 10_010, "insufficient_funds")]


def test_cancel_confirmed_says_nothing_about_the_order() -> None:
    cancel = entry_report(event_id=18, request="cancel", side=None, quantity=None, price_cents=None)
    assert reported(orders=[cancel]) == [(17, "ANN", "order", "confirmed", None, None, None, None)]


def test_trade_is_two_reports() -> None:
    assert reported(trades=[trade(3)]) == [
        (6, "ANN", "trade", "confirmed", "buy", 5, 10_000, None),
        (7, "BOB", "trade", "confirmed", "sell", 5, 10_000, None),
    ]


def test_settlement_is_two_reports() -> None:
    assert reported(settled=[trade(3)]) == [
        (6, "ANN", "settlement", "confirmed", "buy", 5, 10_000, None),
        (7, "BOB", "settlement", "confirmed", "sell", 5, 10_000, None),
    ]


@pytest.mark.parametrize("limit_cents", [10_000, None])
def test_49_the_rest_of_an_order_is_denied_with_its_quantity_and_limit(limit_cents: int | None) -> None:
    closed = OrderClosed(
        event_id(0, 4, 0), 17, "ANN", "MSFT", "buy", 3, 10_010, "cancelled", "unfilled", NOW_US, limit_cents
    )
    assert reported(closed=[closed]) == [(17, "ANN", "order", "denied", "buy", 3, limit_cents, "unfilled")]


def test_refused_cancel_says_nothing_about_the_order() -> None:
    refused = CancelRefused(event_id(0, 4, 0), 17, "ANN", "MSFT", "unknown_order", refused_us=NOW_US)
    assert reported(refused=[refused]) == [(17, "ANN", "order", "denied", None, None, None, "unknown_order")]


def replaced(seq: int, n: int = 0) -> OrderReplaced:
    """Replace order 6: a buy of 9 at 100.20."""
    return OrderReplaced(
        event_id(0, seq, n), 8, 6, "ANN", "MSFT", "buy", 9, 10_020, 5, 10_010, 4, 10_020, 77, replaced_us=NOW_US
    )


def test_a_replaced_order_is_confirmed_with_its_new_terms() -> None:
    assert reported(replaced=[replaced(4)]) == [(6, "ANN", "order", "confirmed", "buy", 9, 10_020, "replaced")]


def test_a_refused_replacement_says_nothing_about_the_order() -> None:
    refused = ReplaceRefused(event_id(0, 4, 0), 8, 6, "ANN", "MSFT", "buy", 77, "halted", refused_us=NOW_US)
    assert reported(replaces_refused=[refused]) == [(6, "ANN", "order", "denied", None, None, None, "halted")]


def test_a_triggered_order_is_confirmed_again() -> None:
    triggered = OrderTriggered(event_id(0, 4, 0), 6, "ANN", "MSFT", "sell", 5, 9_000, triggered_us=NOW_US)
    assert reported(triggered=[triggered]) == [(6, "ANN", "order", "confirmed", "sell", 5, 9_000, "triggered")]


def test_both_sides_get_a_report_of_a_failed_settlement() -> None:
    assert reported(failed=[TradeFailed(trade(3), "account_closed")]) == [
        (6, "ANN", "settlement", "denied", "buy", 5, 10_000, "account_closed"),
        (7, "BOB", "settlement", "denied", "sell", 5, 10_000, "account_closed"),
    ]


def test_the_events_of_a_command_are_reported_in_their_order() -> None:
    triggered = OrderTriggered(event_id(0, 4, 1), 6, "ANN", "MSFT", "buy", 5, 9_000, triggered_us=NOW_US)
    closed = OrderClosed(event_id(0, 4, 4), 6, "ANN", "MSFT", "buy", 3, 10_010, "cancelled", "unfilled", NOW_US)
    batch = FeedBatch(
        "matching",
        SENT_US,
        orders=[entry_report(order_id=6)],
        trades=[trade(3), trade(4, event_id=event_id(0, 4, 3), buy_order_id=6)],
        closed=[closed],
        replaced=[replaced(4, 2)],
        triggered=[triggered],
    )
    assert [(report.event_type, report.reason) for report in reports_of([batch]) if report.client_id == "ANN"] == [
        ("order", None),
        ("trade", None),
        ("order", "triggered"),
        ("order", "replaced"),
        ("trade", None),
        ("order", "unfilled"),
    ]


def test_a_trade_comes_before_the_end_of_its_order_and_every_report_has_its_number() -> None:
    closed = OrderClosed(
        event_id(0, 3, 1), 6, "ANN", "MSFT", "buy", 3, 10_010, "cancelled", "unfilled", closed_us=NOW_US
    )
    batch = FeedBatch("matching", SENT_US, orders=[entry_report(order_id=6, event_id=6)], trades=[trade(3)])
    reports = list(reports_of([FeedBatch("matching", SENT_US, trades=batch.trades, closed=[closed]), batch]))
    of_order = [report for report in reports if report.order_id == 6]
    assert [report.event_type for report in of_order] == ["trade", "order", "order", "trade"]
    settlement, _ = reports_of([FeedBatch("order_execution", SENT_US, settled=[trade(3)])])
    assert settlement.report_id == -event_id(0, 3, 0)
    assert {report.sent_us for report in reports} == {SENT_US}


def test_reports_carry_the_stamps_of_their_stage() -> None:
    orders = [entry_report(order_id=6, event_id=6), entry_report(order_id=8, event_id=8)]
    first, second = reports_of([FeedBatch("order_entry", SENT_US, orders=orders, began_us=5, asked_us=[3, None])])
    assert (first.asked_us, first.began_us) == (3, 5)
    assert (second.asked_us, second.began_us) == (None, 5)
    settled = FeedBatch("order_execution", SENT_US, settled=[trade(3)], began_us=7)
    assert {(report.asked_us, report.began_us) for report in reports_of([settled])} == {(None, 7)}


def test_a_message_from_before_stamps_is_stored_without_them() -> None:
    batch = FeedBatch("matching", SENT_US, orders=[entry_report()], trades=[trade(3)], began_us=5, asked_us=[3])
    fields = msgspec.json.decode(encode(batch))
    before = fields[: FeedBatch.__struct_fields__.index("began_us")]
    older = msgspec.json.decode(msgspec.json.encode(before), type=FeedBatch)
    assert msgspec.structs.replace(batch, began_us=None, asked_us=[]) == older
    assert {(report.asked_us, report.began_us) for report in reports_of([older])} == {(None, None)}
    requests = msgspec.json.encode([[]])
    assert msgspec.json.decode(requests, type=EntryBatch) == EntryBatch([], sent_us=None)
