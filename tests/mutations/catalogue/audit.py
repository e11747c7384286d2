"""Safeguards of the audit."""

from __future__ import annotations

from tests.mutations.mutation import single

AUDIT = (
    single(
        "audit_without_promises",
        "The audit finds promised ids without an order.",
        "tests/tasks/audit/test_promises.py::test_a_promise_that_is_not_kept_names_client_id_and_order",
        "tasks/audit/audit.py",
        "    checks[1] += check_promises(clearing_data, promises, broken, Patience(patience_s))\n",
        "",
    ),
    single(
        "audit_without_dead_letters",
        "The audit finds dead letters.",
        "tests/tasks/audit/test_dead_letters.py::test_a_dead_letter_breaks_the_audit",
        "tasks/audit/audit.py",
        "        checks[1] += check_dead_letters(broker_url)\n",
        "        pass\n",
    ),
    single(
        "audit_without_reports",
        "The audit compares every report with the log.",
        "tests/tasks/audit/test_feed.py::test_a_report_of_each_kind_that_is_missing_doubled_or_changed_is_named[trade]",
        "tasks/audit/audit.py",
        "    for lists in (reports_of_requests, reports_of_trades):\n",
        "    for lists in ():\n",
    ),
    single(
        "audit_without_candles",
        "The audit compares candles with trades.",
        "tests/tasks/audit/test_audit.py::test_a_fault_is_reported_with_its_rule_and_row[a candle is missing]",
        "tasks/audit/audit.py",
        "check_sequences(tx) + check_candles(tx)",
        "check_sequences(tx)",
    ),
    single(
        "audit_trusts_snapshots",
        "The audit hashes the bodies of snapshots.",
        "tests/tasks/audit/test_audit.py::test_a_fault_is_reported_with_its_rule_and_row"
        "[a snapshot holds another state than its hash says]",
        "tasks/audit/clearing/snapshots.py",
        "    if (body_hash := digest(snapshot.body).hex()) != snapshot.state_hash:\n",
        "    if (body_hash := snapshot.state_hash) != snapshot.state_hash:\n",
    ),
)
