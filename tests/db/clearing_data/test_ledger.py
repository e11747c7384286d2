"""Postings are never changed."""

from __future__ import annotations

import pytest
from psycopg2.errors import IntegrityConstraintViolation
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from db.connect import Database


@pytest.mark.parametrize("table", ["ledger", "fee_rates"])
@pytest.mark.parametrize("change", ["UPDATE {} SET security_id = 'X'", "DELETE FROM {}", "TRUNCATE {}"])
def test_postgres_refuses_to_change_postings(clearing_data: Database, table: str, change: str) -> None:
    with pytest.raises(DBAPIError, match="append only") as refusal, clearing_data.transaction() as tx:
        tx.execute(text(change.format(table)))
    assert isinstance(refusal.value.orig, IntegrityConstraintViolation)
