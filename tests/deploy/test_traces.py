"""The life of an order as spans: one trace for each order, one span for each batch, links in both directions."""

from __future__ import annotations

from typing import Any

from deploy.traces import Spans, trace_id_of

STARTED_AT, STARTED_NS = "2026-01-02T03:04:05.678901Z", 1_767_323_045_678_901_000


def life(order_id: int, *, matched_ms: tuple[float, float] = (4.0, 4.5)) -> dict[str, Any]:
    parts = [
        ("api", "work", 0.0, 1.0),
        ("order_entry", "queue", 1.0, 1.5),
        ("order_entry", "work", 1.5, 3.0),
        ("matching", "queue", 3.0, matched_ms[0]),
        ("matching", "work", *matched_ms),
    ]
    return {
        "order_id": order_id,
        "security_id": "MSFT",
        "started_at": STARTED_AT,
        "total_ms": matched_ms[1],
        "spans": [
            dict(zip(("stage", "part", "start_ms", "end_ms"), part, strict=True)) | {"what": ""} for part in parts
        ],
    }


def test_an_order_is_one_trace_whose_id_anyone_can_compute() -> None:
    spans = Spans()
    spans.add(life(17))
    assert {span.context.trace_id for span in spans.orders} == {trace_id_of("MSFT", 17)}
    assert f"{trace_id_of('MSFT', 17):032x}" == "e435961d050b6bb57c280ea409dc7b19"
    whole, *parts = spans.orders
    assert (whole.name, whole.parent, whole.start_time) == ("order", None, STARTED_NS)
    assert whole.end_time == STARTED_NS + 4_500_000
    assert all(part.parent == whole.context for part in parts)
    assert [(part.name, part.start_time, part.end_time) for part in parts[-2:]] == [
        ("matching queue", STARTED_NS + 3_000_000, STARTED_NS + 4_000_000),
        ("matching work", STARTED_NS + 4_000_000, STARTED_NS + 4_500_000),
    ]


def test_orders_of_a_batch_share_a_span_with_links_in_both_directions() -> None:
    spans = Spans()
    for order_id, matched_ms in ((1, (4.0, 4.5)), (2, (4.0, 4.5)), (3, (6.0, 6.5))):
        spans.add(life(order_id, matched_ms=matched_ms))
    batches = {(span.name, span.start_time): span for span in spans.batches()}
    assert [(name, len(span.links)) for (name, _), span in batches.items()] == [
        ("order_entry batch", 3),
        ("matching batch", 2),
        ("matching batch", 1),
    ]
    for batch in batches.values():
        for link in batch.links:
            (order,) = (span for span in spans.orders if span.context == link.context)
            assert [back.context for back in order.links] == [batch.context]
            assert (order.start_time, order.end_time) == (batch.start_time, batch.end_time)
