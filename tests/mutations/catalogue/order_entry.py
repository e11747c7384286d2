"""Safeguards of order entry."""

from __future__ import annotations

from tests.mutations.mutation import single

ORDER_ENTRY = (
    single(
        "no_dedupe_in_order_entry",
        "A request that order entry has decided keeps its decision.",
        "tests/tasks/order_entry/test_admit.py::test_a_batch_that_comes_again_changes_nothing_and_is_reported_again",
        "tasks/order_entry/admit.py",
        "    decided = decided_before(tx, batch, doubtful, now_us=now_us)\n",
        "    decided = decided_before(tx, batch, [], now_us=now_us)\n",
    ),
    single(
        "cash_hold_not_checked",
        "An order is admitted only if its client can pay for it.",
        "tests/tasks/order_entry/rules/test_orders.py::test_orders_that_are_affordable_alone_but_not_together",
        "tasks/order_entry/rules/risk.py",
        "        if cents > self.available_cents and cents > 0:\n",
        "        if cents < 0:\n",
    ),
    single(
        "share_hold_not_checked",
        "Shares are sold once.",
        "tests/tasks/order_entry/rules/test_orders.py::test_shares_are_sold_once",
        "tasks/order_entry/rules/risk.py",
        "        if quantity > self.available:\n",
        "        if quantity < 0:\n",
    ),
    single(
        "account_locks_swapped",
        "Every transaction locks accounts in the order of their names.",
        "tests/db/clearing_data/test_lock_order.py::test_order_entry_locks_accounts_by_name",
        "db/clearing_data/log/admission.py",
        "WHERE client_id = ANY($1) ORDER BY client_id FOR UPDATE",
        "WHERE client_id = ANY($1) ORDER BY client_id DESC FOR UPDATE",
    ),
    single(
        "shard_locks_swapped",
        "Every transaction locks shards in the order of their numbers.",
        "tests/db/clearing_data/test_lock_order.py::test_shards_are_locked_by_number",
        "db/clearing_data/log/admission.py",
        "WHERE shard = ANY($1) ORDER BY shard FOR UPDATE",
        "WHERE shard = ANY($1) ORDER BY shard DESC FOR UPDATE",
    ),
    single(
        "cancel_of_anothers_order_admitted",
        "Order entry denies the cancel of another client's order.",
        "tests/tasks/order_entry/test_admit.py::test_21_no_client_cancels_anothers_order",
        "tasks/order_entry/rules/cancels.py",
        "    if order != KnownOrder(cancel.client_id, cancel.security_id, is_open=True):\n",
        "    if order is None or not order.is_open:\n",
    ),
    single(
        "client_order_id_not_kept",
        "A client order id stands for the first order that was sent under it.",
        "tests/db/clearing_data/log/test_orders.py::test_the_first_comer_has_the_client_order_id",
        "db/clearing_data/log/orders.py",
        '"CAST(:digests AS bytea[])) ON CONFLICT DO NOTHING"',
        '"CAST(:digests AS bytea[])) ON CONFLICT (client_id, client_order_id) DO UPDATE "\n'
        '            "SET order_id = excluded.order_id, digest = excluded.digest"',
    ),
    single(
        "order_reversed_in_order_entry",
        "Order entry never lets a message overtake an earlier one.",
        "tests/celery_app/test_stage.py::test_order_entry_keeps_the_order_of_its_messages",
        "tasks/order_entry/task.py",
        "base=OrderEntry, keeps_order=True)",
        "base=OrderEntry)",
    ),
    single(
        "cancel_marks_ignored",
        "A cancel that overtakes its order closes it.",
        "tests/tasks/order_entry/test_admit_overtaking.py::test_41_a_cancel_that_overtakes_its_order_closes_it",
        "tasks/order_entry/known.py",
        "        desk.marks.setdefault(mark.client_id, []).append(mark)\n",
        "        desk.marks.setdefault(mark.client_id, [])\n",
    ),
    single(
        "tick_not_sent_again",
        "What a tick sequenced and may not have sent goes with the next one.",
        "tests/tasks/order_entry/test_tick.py::test_what_a_tick_did_not_send_the_next_one_sends",
        "tasks/order_entry/tick.py",
        "        ranges = progress.unsent\n",
        "        ranges = list[Range]()\n",
    ),
    single(
        "expired_again_and_again",
        "An order expires once.",
        "tests/tasks/order_entry/test_tick.py::test_orders_expire_once_and_in_the_order_of_their_time",
        "db/clearing_data/listing/trading_day.py",
        "UPDATE open_orders SET expires_us = NULL FROM due",
        "UPDATE open_orders SET expires_us = due.expires_us FROM due",
    ),
    single(
        "markets_mixed",
        "A competition's accounts and securities trade with each other only.",
        "tests/tasks/order_entry/rules/test_orders.py::test_denied",
        "tasks/order_entry/rules/orders.py",
        "    if funds.competition != security.competition:\n",
        "    if False:\n",
    ),
)
