"""The audit passes on a sound exchange, and names the rule and the row of each deliberate fault."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from celery_app.settings import settings
from db.connect import Database
from db.market_data import partitions
from tasks.audit.audit import NAMES, audit
from tasks.audit.common.result import MOST_LISTED, Rule
from tests.support.databases import own_market_data
from tests.support.feed import reports_as_table
from tests.support.trading import NOW_US
from tests.tasks.audit.conftest import Traded
from tests.tasks.audit.faults import FAULTS, REPLACE_FAULTS

ROOT = Path(__file__).parents[3]
PATIENCE_S = 0.3


BROKER_URL = settings().broker_url.get_secret_value()


def broken(traded: Traded, *, patience_s: float = PATIENCE_S) -> dict[int, Rule]:
    """Return the broken rules."""
    outcome = audit(traded.clearing_data, traded.market_data, broker_url=BROKER_URL, patience_s=patience_s)
    assert [rule.rule for rule in outcome.rules] == list(NAMES)
    assert outcome.passed == all(rule.passed for rule in outcome.rules)
    return {rule.rule: rule for rule in outcome.rules if not rule.passed}


def number(database: Database, query: str) -> int:
    with database.snapshot() as tx:
        return int(tx.execute(text(query)).scalar_one())


def execute(database: Database, *statements: str) -> None:
    with database.transaction() as tx:
        for statement in statements:
            tx.execute(text(statement))


def execute_after_deadlocks(database: Database, *statements: str) -> None:
    """Execute statements that lock whole tables, which a reader of two tables can turn into a deadlock.

    Constraints that are not restored would fail every later test of this process.
    """
    for attempts_left in (3, 2, 1, 0):
        try:
            execute(database, *statements)
            return
        except OperationalError:
            if not attempts_left:
                raise


def test_a_sound_exchange_passes(traded: Traded) -> None:
    outcome = audit(traded.clearing_data, traded.market_data, broker_url=BROKER_URL, patience_s=PATIENCE_S)
    assert [rule for rule in outcome.rules if not rule.passed] == []
    assert all(rule.checked > 0 for rule in outcome.rules)


def test_an_exchange_with_every_kind_of_event_passes(eventful: Traded) -> None:
    outcome = audit(eventful.clearing_data, eventful.market_data, broker_url=BROKER_URL, patience_s=PATIENCE_S)
    assert [rule for rule in outcome.rules if not rule.passed] == []
    with eventful.clearing_data.snapshot() as tx:
        kinds = {row.kind for row in tx.execute(text("SELECT kind FROM executions"))}
        assert kinds == {"trade", "cancelled", "rejected", "replaced", "replace_refused", "failed"}
        assert tx.execute(text("SELECT count(*) FROM ledger WHERE kind = 'fee'")).scalar_one() > 0
        assert tx.execute(text("SELECT count(*) FROM orders WHERE type LIKE 'stop%' AND filled_cents > 0")).scalar_one()
        assert tx.execute(text("SELECT count(*) FROM orders WHERE display_quantity < filled_quantity")).scalar_one()


def test_messages_in_the_queues_break_no_rule_but_missing_reports(
    eventful: Traded,
) -> None:
    eventful.exchange.enter(eventful.exchange.every_kind(60))
    assert set(broken(eventful)) <= {1, 3, 8}


@pytest.mark.parametrize("name", REPLACE_FAULTS)
def test_a_fault_of_a_replacement_is_reported_with_its_rule_and_row(eventful: Traded, name: str) -> None:
    fault = REPLACE_FAULTS[name]
    row = number(eventful.clearing_data, fault.row)
    with eventful.clearing_data.transaction() as tx:
        assert tx.execute(text(fault.breakage), {"row": row}).rowcount > 0, "nothing was broken"
    rules = broken(eventful)
    assert any(fault.finding.format(row=row) in finding for finding in rules[fault.rule].findings), rules


@pytest.mark.usefixtures("broker")
def test_a_new_exchange_passes(clearing_data: Database, market_data: Database) -> None:
    assert audit(clearing_data, market_data, broker_url=BROKER_URL, patience_s=PATIENCE_S).passed


CONSTRAINTS = {
    "accounts": ("accounts_covered", "held_cents >= 0 AND held_cents <= balance_cents"),
    "holdings": ("holdings_covered", "held >= 0 AND held <= shares"),
    "orders": ("orders_quantity", "filled_quantity + closed_quantity <= greatest(quantity, largest_quantity)"),
}


@pytest.fixture
def unconstrained(traded: Traded) -> Iterator[None]:
    """Drop the constraints with which the database would refuse the faults."""
    dropped = [f"ALTER TABLE {table} DROP CONSTRAINT {name}" for table, (name, _) in CONSTRAINTS.items()]
    restored = [
        f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({check})" for table, (name, check) in CONSTRAINTS.items()
    ]
    execute_after_deadlocks(traded.clearing_data, *dropped, "ALTER TABLE ledger DISABLE TRIGGER append_only")
    yield
    execute_after_deadlocks(
        traded.clearing_data,
        f"TRUNCATE {', '.join(CONSTRAINTS)}",
        *restored,
        "ALTER TABLE ledger ENABLE TRIGGER append_only",
    )


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.usefixtures("unconstrained")
def test_a_fault_is_reported_with_its_rule_and_row(traded: Traded, name: str) -> None:
    fault = FAULTS[name]
    database = getattr(traded, fault.database)
    row = number(database, fault.row)
    with reports_as_table(traded.market_data):
        with database.transaction() as tx:
            assert tx.execute(text(fault.breakage), {"row": row}).rowcount > 0, "nothing was broken"
        rules = broken(traded)
    assert fault.rule in rules
    expected = fault.finding.format(row=row, row1=row + 1)
    assert any(expected in finding for finding in rules[fault.rule].findings), rules[fault.rule].findings


@pytest.mark.usefixtures("unconstrained")
def test_findings_are_counted_and_the_first_are_listed(traded: Traded) -> None:
    execute(traded.clearing_data, "DELETE FROM ledger WHERE kind = 'trade' AND shares > 0")
    trades = number(traded.clearing_data, "SELECT count(*) FROM executions WHERE kind = 'trade'")
    rule = broken(traded)[3]
    assert trades > MOST_LISTED
    assert (rule.found, len(rule.findings)) == (trades, MOST_LISTED)


def test_the_audit_waits_for_messages_on_their_way(traded: Traded) -> None:
    executions, feed = traded.exchange.enter(traded.exchange.requests(60))

    def arrive() -> None:
        for batch in executions:
            time.sleep(0.3)
            traded.settle([batch])
        for batch in [*feed, traded.settlements(executions)]:
            time.sleep(0.3)
            traded.store([batch])

    arrival = threading.Thread(target=arrive)
    arrival.start()
    found = broken(traded, patience_s=60.0)
    arrival.join()
    assert not found


def test_messages_that_never_arrive_are_missing(traded: Traded) -> None:
    traded.exchange.enter(traded.exchange.requests(60))
    found = broken(traded)
    assert set(found) == {1, 3, 8}
    assert "is not settled" in found[3].findings[0]
    assert "there is no report" in found[1].findings[0]


def test_the_audit_passes_while_the_exchange_trades(traded: Traded) -> None:
    over = threading.Event()

    def trade() -> None:
        while not over.is_set():
            traded.trade(traded.exchange.requests(20))

    trading = threading.Thread(target=trade)
    trading.start()
    try:
        for _ in range(5):
            assert broken(traded, patience_s=60.0) == {}
    finally:
        over.set()
        trading.join()


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tasks.audit", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_command_prints_that_all_rules_hold(traded: Traded) -> None:
    outcome = run()
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.count("passed") == len(NAMES)
    said = json.loads(run("--json").stdout)
    assert said["passed"] is True
    assert [rule["rule"] for rule in said["rules"]] == list(NAMES)
    assert set(said["rules"][0]) == {"rule", "name", "passed", "checked", "found", "findings"}


def test_the_command_names_the_broken_rule_and_ends_with_1(traded: Traded) -> None:
    execute(traded.clearing_data, "UPDATE accounts SET balance_cents = balance_cents + 1 WHERE client_id = 'ANN'")
    outcome = run("--patience", "0.2")
    assert outcome.returncode == 1
    assert "rule 4: account ANN has" in outcome.stdout
    outcome = run("--json", "--patience", "0.2")
    assert outcome.returncode == 1
    assert [rule["rule"] for rule in json.loads(outcome.stdout)["rules"] if not rule["passed"]] == [4]


def test_the_command_prints_in_one_line_that_postgres_is_away() -> None:
    outcome = run(CLEARING_DATA_URL="postgresql://no_user@127.0.0.1:1/clearing_data")
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith("the audit could not run")
    assert outcome.stderr.count("\n") == 1


def test_an_exchange_with_dropped_days_passes_and_other_missing_rows_are_found(
    clearing_data: Database,
) -> None:
    day_us = 86_400_000_000
    with own_market_data() as market_data:
        partitions.create_ahead(market_data, now_us=NOW_US)
        traded = Traded(clearing_data, market_data)
        for day in range(3):
            traded.exchange.move_clock(NOW_US + day * day_us)
            for _ in range(3):
                traded.trade(traded.exchange.requests(60))
        with market_data.snapshot() as tx:
            stored = tx.execute(text("SELECT count(*) FROM trades")).scalar_one()
            old = partitions.old(tx, before_us=partitions.start_of_day_us(NOW_US + 2 * day_us, days=0))
        for part in old:
            partitions.drop(market_data, part, now_us=NOW_US, patience_s=1.0)
        with market_data.snapshot() as tx:
            assert 0 < tx.execute(text("SELECT count(*) FROM trades")).scalar_one() < stored / 2
            assert any(tx.execute(text("SELECT denied FROM dropped")).scalars())
        assert broken(traded) == {}
        execute(
            market_data,
            "DELETE FROM trade_reports WHERE sequence = (SELECT max(sequence) FROM trades WHERE security_id = 'AAPL')",
        )
        assert broken(traded).keys() == {8}
        with reports_as_table(market_data):
            execute(
                market_data,
                "DELETE FROM reports WHERE sequence = (SELECT max(sequence) - 1 FROM reports WHERE client_id = 'ANN')"
                " AND client_id = 'ANN'",
                "DELETE FROM reports WHERE report_id = (SELECT max(report_id) FROM reports WHERE NOT confirmed"
                " AND report_id > 0 AND report_id < 1000000000)",
            )
            assert broken(traded).keys() == {1, 8}
