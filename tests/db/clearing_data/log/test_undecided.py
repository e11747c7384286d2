"""Orders that the register does not have yet."""

from __future__ import annotations

from collections.abc import Collection

import pytest
from sqlalchemy import text

from db.clearing_data.log.undecided import undecided
from db.connect import Database

_INSERT = text(
    "INSERT INTO orders (order_id, quantity, hold_cents, created_us, post_only, client_id, security_id, type, side, "
    "time_in_force, status, updated_us) SELECT id, 1, 1, 1, false, 'SINGLE', 'MSFT', 'limit', 'buy', 'gtc', 'new', 1 "
    "FROM unnest(CAST(:ids AS bigint[])) AS id"
)
EVERY = set(range(1, 3_501))


@pytest.mark.parametrize(
    ("asked", "missing"),
    [
        (EVERY, set()),
        (EVERY, {1}),
        (EVERY, {3_500, 999, 1_000, 1_001}),
        (EVERY, EVERY),
        (EVERY, set(range(1_000, 2_000))),
        # The register has other orders in between, equal in number and sum to those that it lacks.
        (EVERY - {1_500, 1_503}, {1_501, 1_502}),
        (EVERY - {2_500}, {2_700}),
        ({7}, {7}),
        ({7}, set()),
    ],
)
def test_orders_missing_from_the_register(clearing_data: Database, asked: Collection[int], missing: set[int]) -> None:
    with clearing_data.transaction() as tx:
        tx.execute(_INSERT, {"ids": list(EVERY - missing)})
        assert undecided(tx, asked) == missing
