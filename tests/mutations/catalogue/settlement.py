"""Safeguards of settlement."""

from __future__ import annotations

from tests.mutations.mutation import single

SETTLEMENT = (
    single(
        "owed_ignores_holds",
        "A client owes shares while its open orders hold what it has.",
        "tests/tasks/order_execution/rules/test_lending.py::test_every_step_leaves_sound_books",
        "tasks/shared/rules/loans.py",
        "    return max(held - net_shares, 0)\n",
        "    return max(-net_shares, 0)\n",
    ),
    single(
        "collateral_of_first_sales",
        "Collateral is for the last sales, so the order of arrival does not matter.",
        "tests/tasks/order_execution/test_loans.py::test_a_short_position_is_opened_added_to_reduced_and_covered",
        "db/clearing_data/lending/loans.py",
        "        ORDER BY event_id DESC LIMIT owing.most\n",
        "        ORDER BY event_id LIMIT owing.most\n",
    ),
    single(
        "located_shares_not_counted",
        "DTCC lends no share twice.",
        "tests/tasks/order_execution/test_loans.py::test_why_a_short_sale_is_refused[151-10000-nothing_to_borrow]",
        "tasks/order_entry/rules/short_sales.py",
        "        if lendable is None or short > lendable.available:\n",
        "        if lendable is None:\n",
    ),
    single(
        "margin_not_checked",
        "A client whose margin is too small is bought in.",
        "tests/tasks/order_execution/test_loans.py::test_the_price_rises[25-0-25000-0]",
        "tasks/order_execution/rules/margin.py",
        "if one.buy_in_us is None and one.excess_cents < 0]",
        "if one.buy_in_us is None and one.excess_cents < -(10**15)]",
    ),
    single(
        "no_dedupe_in_order_execution",
        "An execution that is delivered again is settled once.",
        "tests/tasks/order_execution/test_task.py::test_what_comes_again_is_reported_again_and_settled_once",
        "tasks/order_execution/settle.py",
        "    register.register(tx, executions, settled_us=settled_us)\n",
        "",
    ),
    single(
        "publish_before_commit",
        "A settlement is reported only after it is committed.",
        "tests/tasks/order_execution/test_reporting.py::test_nothing_is_reported_of_what_was_not_committed",
        "tasks/order_execution/task.py",
        "        return executions, "
        "settle_once(clearing_data(ORDER_EXECUTION), executions, covers, settled_us=settled_us)\n",
        "        early = [one for one in executions if type(one) is TradeMade]\n"
        "        publisher().send_all(_parcels(early, covers, {}, settled_us))\n"
        "        return executions, "
        "settle_once(clearing_data(ORDER_EXECUTION), executions, covers, settled_us=settled_us)\n",
    ),
    single(
        "trade_above_its_hold",
        "No trade takes more cash than was held for it.",
        "tests/tasks/order_execution/rules/test_clearing.py::test_no_buyer_pays_more_than_was_held",
        "tasks/order_execution/rules/clearing.py",
        "    if cash_cents > held_cents:\n",
        "    if cash_cents < 0:\n",
    ),
    single(
        "settlement_locks_swapped",
        "Order execution locks accounts in the order of their names.",
        "tests/db/clearing_data/test_lock_order.py::test_order_execution_locks_accounts_by_name",
        "db/clearing_data/clearing/settlement.py",
        "ORDER BY client_id FOR UPDATE",
        "ORDER BY client_id DESC FOR UPDATE",
    ),
    single(
        "settled_coverage_not_stored",
        "Order execution stores which events it has settled.",
        "tests/tasks/order_execution/test_task.py::"
        "test_the_feed_gets_what_is_settled_and_where_there_was_nothing_to_settle",
        "db/clearing_data/clearing/settlement.py",
        "    coverage.add(statements, MATCHING, covers)\n",
        "",
    ),
    single(
        "executions_not_divided",
        "Only the bad execution of a message is not settled.",
        "tests/tasks/order_execution/test_task.py::test_one_bad_execution_keeps_no_other_of_its_message_from_being_settled",
        "tasks/order_execution/task.py",
        "        if not middle or executions",
        "        if middle >= 0 or executions",
    ),
    single(
        "older_phase_written",
        "Of two reports of a phase the later one counts.",
        "tests/tasks/order_execution/test_securities.py::test_of_reports_in_any_order_the_last_one_counts",
        "db/clearing_data/listing/phase_events.py",
        "AND phase_event_id < %s",
        "AND phase_event_id <> %s",
    ),
    single(
        "settled_for_good_too_early",
        "A security is settled for good when nothing of it is left to settle.",
        "tests/tasks/order_execution/test_securities.py::test_a_settlement_waits_for_all_that_is_open",
        "db/clearing_data/clearing/final_settlement.py",
        "    if not holders <= locked or not nothing_is_left(tx, one):\n",
        "    if not holders <= locked:\n",
    ),
)
