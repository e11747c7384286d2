"""Rule 8 names every report that is missing, doubled, changed or without a cause, and waits for late ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from tasks.audit.feed import reports
from tests.support.feed import reports_as_table
from tests.tasks.audit.conftest import Traded
from tests.tasks.audit.test_audit import broken

OF_EVENT = "report_id >= CAST(2 ^ 57 AS bigint) AND event_type = 'order'"
OF_REQUEST = "report_id > 0 AND report_id < CAST(2 ^ 53 AS bigint)"
# Every kind of report that there is, as a condition on `reports`.
KINDS = {
    "confirmation of an order": f"{OF_REQUEST} AND confirmed AND side IS NOT NULL",
    "denial of an order": f"{OF_REQUEST} AND NOT confirmed AND side IS NOT NULL",
    "confirmation of a cancel": f"{OF_REQUEST} AND confirmed AND side IS NULL AND price_cents IS NULL",
    "confirmation of a mass cancel": f"{OF_REQUEST} AND confirmed AND side IS NULL AND order_id = report_id",
    "confirmation of a replacement": f"{OF_REQUEST} AND confirmed AND side IS NULL AND price_cents IS NOT NULL",
    "denial of a request that is no order": f"{OF_REQUEST} AND NOT confirmed AND side IS NULL",
    "trade": "event_type = 'trade'",
    "settlement": "event_type = 'settlement' AND confirmed",
    "failure of a trade": "event_type = 'settlement' AND NOT confirmed",
    "close": f"{OF_EVENT} AND NOT confirmed AND side IS NOT NULL",
    "replacement": f"{OF_EVENT} AND reason = 'replaced'",
    "trigger": f"{OF_EVENT} AND reason = 'triggered'",
    "refusal": f"{OF_EVENT} AND NOT confirmed AND side IS NULL",
}
DOUBLE = """
    INSERT INTO reports SELECT order_id, report_id, event_type, confirmed, client_id, security_id, side, quantity,
        price_cents, reason, sequence, event_us + 1, sent_us, stored_us, began_us, asked_us, taken_us
    FROM reports WHERE report_id = :report_id AND order_id = :order_id
"""
REMOVE = "DELETE FROM reports WHERE report_id = :report_id AND order_id = :order_id"
CHANGE = "UPDATE reports SET {column} = {value} WHERE report_id = :report_id AND order_id = :order_id"
# What a changed report says instead.
CHANGES = {
    "event_type": "'news'",
    "confirmed": "NOT confirmed",
    "client_id": "'EVE'",
    "security_id": "'XOM'",
    "side": "CASE side WHEN 'buy' THEN 'sell' ELSE 'buy' END",
    "quantity": "quantity + 1",
    "price_cents": "COALESCE(price_cents, 0) + 1",
    "reason": "'another'",
    "event_us": "event_us + 1",
    "report_id": "report_id + 1",
}


@pytest.fixture
def writable_reports(request: pytest.FixtureRequest, traded: Traded) -> Iterator[None]:
    if "eventful" in request.fixturenames:
        request.getfixturevalue("eventful")
    with reports_as_table(traded.market_data):
        yield


def some(traded: Traded, condition: str, count: int) -> list[dict[str, int]]:
    """Return the keys of the latest reports."""
    with traded.market_data.snapshot() as tx:
        rows = tx.execute(
            text(f"SELECT report_id, order_id FROM reports WHERE {condition} ORDER BY sequence DESC LIMIT :count"),
            {"count": count},
        )
        return [dict(row._mapping) for row in rows]


def execute(traded: Traded, statement: str, key: dict[str, int]) -> None:
    with traded.market_data.transaction() as tx:
        assert tx.execute(text(statement), key).rowcount == 1


def findings(traded: Traded) -> list[str]:
    """Return the findings of rule 8."""
    return broken(traded)[8].findings


@pytest.mark.usefixtures("writable_reports")
@pytest.mark.parametrize("kind", KINDS)
def test_a_report_of_each_kind_that_is_missing_doubled_or_changed_is_named(eventful: Traded, kind: str) -> None:
    removed, doubled, changed = some(eventful, KINDS[kind], 3)
    execute(eventful, REMOVE, removed)
    execute(eventful, DOUBLE, doubled)
    execute(eventful, CHANGE.format(column="reason", value="'another'"), changed)
    found = findings(eventful)
    for key, what in ((removed, "missing"), (doubled, "stored"), (changed, "reason='another'")):
        assert any(f"report {key['report_id']} of order" in one and what in one for one in found), (key, what, found)


@pytest.mark.usefixtures("writable_reports")
@pytest.mark.parametrize("kind", ["confirmation of an order", "trade", "settlement", "close"])
def test_every_field_of_a_report_counts(eventful: Traded, kind: str) -> None:
    changed = dict(zip(CHANGES, some(eventful, KINDS[kind], len(CHANGES)), strict=True))
    for column, key in changed.items():
        execute(eventful, CHANGE.format(column=column, value=CHANGES[column]), key)
    rule = broken(eventful)[8]
    assert rule.found >= len(CHANGES)
    for column, key in changed.items():
        assert any(f"report {key['report_id']} of order" in one for one in rule.findings), (column, key, rule.findings)


@pytest.mark.usefixtures("writable_reports")
def test_the_audit_waits_for_late_reports(eventful: Traded) -> None:
    latest = [key for condition in KINDS.values() for key in some(eventful, condition, 1)]
    late = list({(key["report_id"], key["order_id"]): key for key in latest}.values())
    with eventful.market_data.transaction() as tx:
        tx.execute(text("CREATE TABLE late AS SELECT * FROM reports WHERE false"))
        for key in late:
            tx.execute(text(f"WITH gone AS ({REMOVE} RETURNING *) INSERT INTO late SELECT * FROM gone"), key)

    def arrive() -> None:
        for key in late:
            time.sleep(0.1)
            where = "FROM late WHERE report_id = :report_id AND order_id = :order_id"
            with eventful.market_data.transaction() as tx:
                tx.execute(text(f"INSERT INTO reports SELECT * {where}"), key)

    arrival = threading.Thread(target=arrive)
    try:
        # The numbers of reports were assigned before, so only the gaps show at once.
        assert all("is missing" in one or " rows up to " in one or " ends with " in one for one in findings(eventful))
        arrival.start()
        found = broken(eventful, patience_s=60.0).get(8)
        arrival.join()
    finally:
        with eventful.market_data.transaction() as tx:
            tx.execute(text("DROP TABLE late"))
    assert found is None or not any("is missing" in one for one in found.findings), found
    assert broken(eventful) == {}


@pytest.mark.usefixtures("writable_reports")
def test_if_most_of_the_feed_is_lost_the_rest_is_counted(traded: Traded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "MOST_BUCKETS", 1)
    with traded.market_data.transaction() as tx:
        tx.execute(text("DELETE FROM reports WHERE event_type <> 'order'"))
    rule = broken(traded)[8]
    assert any("is missing" in one for one in rule.findings)
    assert rule.found > 100
