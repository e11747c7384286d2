"""Percentiles are right, and tables are Markdown."""

from __future__ import annotations

import math

import pytest

from bench.scenarios.report import Section, as_text, percentile_ms


@pytest.mark.parametrize(("percent", "expected_ms"), [(50, 500.0), (99, 990.0)])
def test_percentiles_of_a_thousand_times(percent: int, expected_ms: float) -> None:
    times_s = [n / 1_000 for n in range(1_001)]
    assert percentile_ms(times_s, percent) == pytest.approx(expected_ms)


def test_percentiles_of_one_time_and_of_no_times() -> None:
    assert percentile_ms([0.25], 99) == 250
    assert math.isnan(percentile_ms([], 50))


def test_tables_line_up() -> None:
    text = as_text({"cpu": "2 x fast"}, [Section("arrays", [("settled", "9 orders/s"), ("trades", "4")], {})])
    assert text.splitlines() == [
        "# Benchmark",
        "",
        "## Machine",
        "",
        "|     |          |",
        "|-----|----------|",
        "| cpu | 2 x fast |",
        "",
        "## arrays",
        "",
        "|         |            |",
        "|---------|------------|",
        "| settled | 9 orders/s |",
        "| trades  | 4          |",
    ]
