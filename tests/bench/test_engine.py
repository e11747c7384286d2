"""The feed of the engines is reproducible and has the documented mix."""

from __future__ import annotations

from bench.engine import feed, ours
from tests.support.naive_book import NaiveBook


def test_the_same_seed_makes_the_same_feed() -> None:
    assert feed.mixed(1, 100) == feed.mixed(1, 100)
    assert feed.mixed(1, 100) != feed.mixed(2, 100)


def test_two_of_ten_operations_cancel_earlier_orders() -> None:
    operations = feed.mixed(1)
    placed: dict[int, feed.Operation] = {}
    for operation in operations:
        if operation.cancels:
            assert placed.pop(operation.order_id).price == operation.price
        else:
            placed[operation.order_id] = operation
            assert 100 <= operation.price <= 999
    cancels = sum(operation.cancels for operation in operations)
    assert 0.19 < cancels / len(operations) < 0.21


def test_a_pass_leaves_the_same_shares_as_the_naive_book() -> None:
    log = ours.commands(feed.mixed(1, 600))
    naive = NaiveBook(0)
    for seq, command in enumerate(log, 1):
        naive.apply(seq, command)
    _, open_shares = ours.one_pass(log)
    assert open_shares == sum(order.open for order in naive.orders) > 0
