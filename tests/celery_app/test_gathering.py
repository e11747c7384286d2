"""The pause after a batch: none for what comes alone, longer the more there was, none after a large batch."""

from __future__ import annotations

import pytest

from celery_app.gathering import gathering_s


@pytest.mark.parametrize(
    ("messages", "size", "pause_ms"),
    [
        (0, 0, 0),
        (1, 250, 0),  # a lone order
        (1, 15_000, 0),  # a lone array of 100
        (2, 400, 4),
        (3, 1_200, 9),
        (2, 8_000, 23),
        (5, 30_000, 25),
        (31, 127_999, 25),
        (31, 128_000, 0),
        (32, 8_000, 0),  # more could not be in a batch
    ],
)
def test_the_pause_after_a_batch(messages: int, size: int, pause_ms: int) -> None:
    assert gathering_s(messages, size, most=32) == pytest.approx(pause_ms / 1000)
