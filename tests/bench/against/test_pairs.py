"""Two commits take turns, and every figure gets medians, ranges and ratios."""

from __future__ import annotations

from collections.abc import Callable

from bench.against.compare import as_table
from bench.against.pairs import Comparison, compare, flat, spread, take_turns


def test_each_pair_starts_with_the_commit_that_ended_the_last_one() -> None:
    order: list[str] = []

    def run(name: str) -> Callable[[], dict[str, float]]:
        def figures() -> dict[str, float]:
            order.append(name)
            return {"orders_a_second": len(order)}

        return figures

    made = take_turns(run("other"), run("this"), pairs=3)
    assert order == ["other", "this", "this", "other", "other", "this"]
    assert made == [
        ({"orders_a_second": 1}, {"orders_a_second": 2}),
        ({"orders_a_second": 4}, {"orders_a_second": 3}),
        ({"orders_a_second": 5}, {"orders_a_second": 6}),
    ]


def test_figures_are_compared_by_name() -> None:
    assert flat({"orders_a_second": 9.0, "orders": 5, "ms": {"report": {"p50": 24.0}}, "cpu_us_an_order": {}}) == {
        "orders_a_second": 9.0,
        "ms report p50": 24.0,
    }


def test_ratios_are_of_pairs_and_a_side_may_lack_a_figure() -> None:
    made = [
        ({"orders_a_second": 100.0}, {"orders_a_second": 150.0, "other_cores": 0.1}),
        ({"orders_a_second": 200.0}, {"orders_a_second": 400.0, "other_cores": 0.1}),
    ]
    assert compare(made) == [
        Comparison("orders_a_second", [100.0, 200.0], [150.0, 400.0]),
        Comparison("other_cores", [], [0.1, 0.1]),
    ]
    assert [one.ratios for one in compare(made)] == [[1.5, 2.0], []]


def test_the_table_shows_medians_and_ranges() -> None:
    table = as_table("arrays", "abc", [Comparison("orders_a_second", [10_000, 12_000, 11_000], [22_000] * 3)], False)
    assert "| orders_a_second | 11,000 (10,000 to 12,000) | 22,000 (22,000 to 22,000) | 2 (1.83 to 2.2) |" in table
    assert spread([]) == "none"
