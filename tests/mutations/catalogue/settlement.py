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
        "tests/tasks/order_execution/test_loans.py::"
        "test_collateral_is_that_of_the_last_sales_when_there_are_more_sales_than_shares_owed",
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
        "replacement_borrows_for_nothing",
        "No replacement lets a sale far below the market borrow without margin.",
        "tests/tasks/order_entry/rules/test_short_sales.py::"
        "test_no_replacement_lowers_the_margin_of_a_sale_far_below_the_market[terms0-10]",
        "tasks/order_entry/rules/short_sales.py",
        "    least_cents = least_price if terms.owned is None else min(least_price, terms.margin_cents)\n",
        "    least_cents = min(least_price, terms.margin_cents)\n",
    ),
    single(
        "margin_not_checked",
        "A client whose margin is too small is bought in.",
        "tests/tasks/order_execution/test_buy_ins.py::test_the_price_rises[25-0-25000-0]",
        "tasks/order_execution/rules/margin.py",
        "if one.buy_in_us is None and one.excess_cents < 0]",
        "if one.buy_in_us is None and one.excess_cents < -(10**15)]",
    ),
    single(
        "owed_value_is_available",
        "What owed shares require at their last prices is not available.",
        "tests/tasks/order_execution/test_no_free_money.py::test_a_rise_makes_free_cash_unavailable",
        "db/clearing_data/rows.py",
        "        secured = secured_cents(self.collateral_cents, requirement_cents(self.owed_cents))\n",
        "        secured = self.collateral_cents\n",
    ),
    single(
        "cash_of_the_fund_is_available",
        "The cash that the default fund has lent to a buy-in cannot leave the exchange.",
        "tests/tasks/order_execution/test_no_free_money.py::test_the_cash_of_the_default_fund_cannot_be_withdrawn",
        "db/clearing_data/rows.py",
        "        if self.is_bought_in:\n",
        "        if False:\n",
    ),
    single(
        "margin_by_any_limit",
        "A short sale below the market holds the margin of a market order.",
        "tests/tasks/order_execution/test_no_free_money.py::test_a_sale_at_any_price_holds_margin_at_the_market",
        "tasks/order_entry/rules/orders.py",
        "            price_cents = max(limit_cents, least_cents)\n",
        "            price_cents = limit_cents\n",
    ),
    single(
        "orders_keep_cash_from_debts",
        "Cash in open orders pays for owed shares before the default fund does.",
        "tests/tasks/order_execution/test_no_free_money.py::test_cash_in_open_orders_pays_in_the_final_settlement",
        "db/clearing_data/clearing/final_debts.py",
        "    return bool(clients)\n",
        "    return False\n",
    ),
    single(
        "no_dedupe_in_order_execution",
        "An execution that is delivered again is settled once.",
        "tests/tasks/order_execution/test_task.py::test_what_comes_again_is_reported_again_and_settled_once",
        "tasks/order_execution/settle.py",
        "        register.register(statements, executions, settled_us=settled_us)\n",
        "",
    ),
    single(
        "publish_before_commit",
        "A settlement is reported only after it is committed.",
        "tests/tasks/order_execution/test_reporting.py::test_nothing_is_reported_of_what_was_not_committed",
        "tasks/order_execution/task.py",
        "        failed = settle_once(\n",
        "        early = [one for one in executions if type(one) is TradeMade]\n"
        "        publisher().send_all(_parcels(early, covers, {}, settled_us))\n"
        "        failed = settle_once(\n",
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
