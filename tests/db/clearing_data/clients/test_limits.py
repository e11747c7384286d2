"""Limits of accounts, and how order entry applies them."""

from __future__ import annotations

import pytest

from db.clearing_data.clients import limits as account_limits
from db.clearing_data.clients.limits import AccountLimits
from db.connect import Database
from tasks.messages import Request
from tasks.order_entry.admit import admit
from tests.support.entry import LIMITS, cancel, order, replace


def enter(clearing_data: Database, *requests: Request) -> dict[int, str | None]:
    admitted = admit(clearing_data, requests, limits=LIMITS, now_us=1_000)
    return {report.event_id: report.reason for report in admitted.reports}


def limit(clearing_data: Database, client_id: str = "SINGLE", **changes: int | None) -> AccountLimits | None:
    with clearing_data.transaction() as tx:
        return account_limits.change(tx, client_id, changes)


def test_limits_are_set_one_by_one_and_taken_back(clearing_data: Database) -> None:
    assert limit(clearing_data, max_open_orders=3) == AccountLimits(max_open_orders=3)
    assert limit(clearing_data, orders_per_s=7, short_limit=0) == AccountLimits(
        max_open_orders=3, short_limit=0, orders_per_s=7
    )
    assert limit(clearing_data) == AccountLimits(max_open_orders=3, short_limit=0, orders_per_s=7)
    with clearing_data.transaction() as tx:
        assert account_limits.of_all(tx).keys() == {"SINGLE"}
        assert account_limits.limits(tx, "GAUSS") == AccountLimits()
        assert account_limits.limits(tx, "NOBODY") is None
    limit(clearing_data, max_open_orders=None, orders_per_s=None, short_limit=None)
    with clearing_data.transaction() as tx:
        assert account_limits.of_all(tx) == {}


def test_the_house_has_none_and_no_other_field_is_one(clearing_data: Database) -> None:
    assert limit(clearing_data, "DTCC", max_position=1) is None
    assert limit(clearing_data, "NOBODY", max_position=1) is None
    with pytest.raises(ValueError, match="balance_cents"):
        limit(clearing_data, balance_cents=1)


@pytest.mark.parametrize(
    ("limits", "terms", "refusal"),
    [
        ({"max_order_quantity": 5}, {"quantity": 6}, "quantity_too_large"),
        ({"max_order_notional_cents": 50_000}, {"quantity": 6}, "notional_too_large"),
        ({"max_open_orders": 0}, {}, "too_many_open_orders"),
        ({"max_position": 1_005}, {"quantity": 6}, "position_limit"),
    ],
)
def test_order_entry_keeps_to_the_limits_of_the_account(
    clearing_data: Database, limits: dict[str, int], terms: dict[str, int], refusal: str
) -> None:
    limit(clearing_data, **limits)
    assert enter(clearing_data, order(1, **terms), order(2, client_id="GAUSS", **terms)) == {1: refusal, 2: None}
    limit(clearing_data, **dict.fromkeys(limits))
    assert enter(clearing_data, order(3, **terms)) == {3: None}


def test_what_is_open_counts_and_a_replacement_keeps_to_them_as_well(clearing_data: Database) -> None:
    limit(clearing_data, max_position=1_010, max_order_quantity=8)
    assert enter(clearing_data, order(1, quantity=6), order(2, quantity=5), order(3, quantity=4)) == {
        1: None,
        2: "position_limit",
        3: None,
    }
    assert enter(clearing_data, replace(4, 1, quantity=9), replace(5, 1, quantity=7)) == {
        4: "quantity_too_large",
        5: "position_limit",
    }
    assert enter(clearing_data, cancel(6, 1)) == {6: None}


def test_a_larger_limit_than_the_exchanges_is_one_too(clearing_data: Database) -> None:
    limit(clearing_data, max_order_quantity=1_048_576)
    tiny = {"price_cents": 1, "quantity": 1_000_001}
    assert enter(clearing_data, order(1, **tiny), order(2, client_id="GAUSS", **tiny)) == {
        1: "insufficient_funds",
        2: "quantity_too_large",
    }
