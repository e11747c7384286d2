"""Requests are framed as HTTP; cancels name orders that were accepted some arrays ago."""

from __future__ import annotations

import json
from typing import Any

from bench.load.requests import ARRAYS_BEFORE_CANCEL, Arrays, ArraysWithCancels, SingleOrders

HEAD = b"POST /orders HTTP/1.1\r\nHost: here\r\n"


def body(request: bytes) -> Any:
    head, _, content = request.partition(b"\r\n\r\n")
    assert head.startswith(HEAD)
    assert f"Content-Length: {len(content)}".encode() in head
    return json.loads(content)


def test_single_orders_start_over_after_a_cycle() -> None:
    orders = SingleOrders(HEAD, connection=0, seed=1)
    first = body(orders.take())
    assert first["type"] == "limit"
    seen = [orders.take() for _ in range(2_000)]
    assert body(seen[-1]) == first
    assert len(set(seen)) > 100


def test_arrays_have_their_size() -> None:
    arrays = Arrays(HEAD, connection=0, seed=1, size=30)
    assert arrays.orders_each == 30
    assert [len(body(arrays.take())) for _ in range(400)] == [30] * 400


def test_cancels_name_orders_accepted_before() -> None:
    arrays = ArraysWithCancels(HEAD, connection=0, seed=1, size=10, cancels=2)
    accepted: dict[int, str] = {}
    next_id = 1
    for n in range(20):
        content = body(arrays.take())
        cancels = [entry for entry in content if entry["type"] == "cancel"]
        assert len(content) - len(cancels) == 8
        assert len(cancels) == (2 if n >= ARRAYS_BEFORE_CANCEL else 0)
        for cancel in cancels:
            assert accepted[cancel["order_id"]] == cancel["security_id"]
        results = []
        for entry in content:
            if entry["type"] == "limit":
                accepted[next_id] = entry["security_id"]
                results.append({"status": "success", "order_id": next_id})
                next_id += 1
            else:
                results.append({"status": "success", "order_id": entry["order_id"]})
        arrays.answered(json.dumps({"status": "success", "results": results}).encode())
