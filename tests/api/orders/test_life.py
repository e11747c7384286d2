"""The life of an order, derived from its reports."""

from __future__ import annotations

from typing import Any

import pytest

from api.orders.life import RESTING, Span, life_of
from tasks.data_feed.rules.rows import Report
from tasks.messages import event_id

TRADE = event_id(0, 9, 0)
START_US = 1_000_000


def report(report_id: int, event_us: int, sent_us: int, stored_us: int, **changed: Any) -> Report:
    """Return a report of order 17; the times are microseconds since the api received the order."""
    fields: dict[str, Any] = {
        "order_id": 17,
        "report_id": report_id,
        "event_type": "order" if report_id == 17 else "trade" if report_id > 0 else "settlement",
        "confirmed": True,
        "client_id": "ANN",
        "security_id": "MSFT",
        "side": "buy",
        "quantity": 5,
        "price_cents": 10_000,
        "reason": None,
    }
    times = {"event_us": event_us, "sent_us": sent_us, "stored_us": stored_us}
    times |= {name: changed.pop(name, None) for name in ("began_us", "asked_us", "taken_us")}
    stamps = {name: None if value is None else START_US + value for name, value in times.items()}
    return Report(**fields | changed, **stamps)


PLACED = report(17, 0, 50, 90, asked_us=10, began_us=30, taken_us=70)
TRADED = report(TRADE, 30, 80, 110, began_us=65, taken_us=95)
SETTLED = report(-TRADE, 30, 140, 170, began_us=100, taken_us=150)


def drawn(*reports: Report) -> list[tuple[str, str, int, int]]:
    life = life_of(reports)
    assert life is not None
    assert life.total_us == life.spans[-1].end_us
    for before, after in zip(life.spans, life.spans[1:], strict=False):
        assert before.end_us == after.start_us
    return [(span.stage, span.part, span.start_us, span.end_us) for span in life.spans]


ENTERED = [("api", "work", 0, 10), ("order_entry", "queue", 10, 30), ("order_entry", "work", 30, 50)]
MATCHED = [("matching", "queue", 50, 65), ("matching", "work", 65, 80)]


def test_the_life_of_a_settled_order() -> None:
    assert drawn(SETTLED, TRADED, PLACED) == [
        *ENTERED,
        *MATCHED,
        ("order_execution", "queue", 80, 100),
        ("order_execution", "work", 100, 140),
        ("data_feed", "queue", 140, 150),
        ("data_feed", "work", 150, 170),
    ]


def test_the_life_of_an_order_that_is_not_settled_yet() -> None:
    assert drawn(PLACED, TRADED) == [*ENTERED, *MATCHED, ("data_feed", "queue", 80, 95), ("data_feed", "work", 95, 110)]


@pytest.mark.parametrize(
    "others",
    [
        [],
        # A cancel that was requested, and one that was refused.
        [report(18, 500, 510, 520, side=None), report(TRADE + 1, 500, 510, 520, event_type="order", side=None)],
    ],
)
def test_the_life_of_an_order_that_only_rests(others: list[Report]) -> None:
    assert drawn(PLACED, *others) == [*ENTERED, ("data_feed", "queue", 50, 70), ("data_feed", "work", 70, 90)]


def test_the_life_of_an_order_that_rested_first() -> None:
    life = life_of([PLACED, report(TRADE, 9_000, 9_050, 9_080, began_us=9_020, taken_us=9_060)])
    assert life is not None
    resting, waiting, *_ = life.spans[len(ENTERED) :]
    assert resting == Span("matching", "queue", RESTING, 50, 9_000)
    assert (waiting.stage, waiting.part, waiting.start_us, waiting.end_us) == ("matching", "queue", 9_000, 9_020)


def test_the_life_covers_the_first_of_several_trades() -> None:
    later = TRADE + 1
    others = [report(later, 70_000, 71_000, 72_000), report(-later, 70_000, 73_000, 74_000)]
    assert drawn(*others, SETTLED, TRADED, PLACED) == drawn(PLACED, TRADED, SETTLED)


def test_clocks_that_differ_make_no_span_that_ends_before_it_begins() -> None:
    slow = report(TRADE, 30, 35, 40, began_us=20, taken_us=36)
    assert drawn(PLACED, slow) == [
        *ENTERED,
        ("matching", "queue", 50, 50),
        ("matching", "work", 50, 50),
        ("data_feed", "queue", 50, 50),
        ("data_feed", "work", 50, 50),
    ]


def test_reports_from_before_there_were_stamps() -> None:
    life = life_of([report(17, 0, 50, 90)])
    assert life is not None
    assert [(span.stage, span.part, span.end_us) for span in life.spans] == [
        ("order_entry", "work", 50),
        ("data_feed", "work", 90),
    ]
    assert "waiting" in life.spans[0].what


def test_without_the_report_of_order_entry_there_is_no_life() -> None:
    assert life_of([]) is None
    assert life_of([TRADED, SETTLED]) is None
