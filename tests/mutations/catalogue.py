"""The mutations: for each safeguard the edits that remove it, and the test that fails then."""

from __future__ import annotations

from tests.mutations.mutation import Edit, Mutation


def _one(name: str, safeguard: str, catcher: str, path: str, search: str, replacement: str) -> Mutation:
    """Return a mutation of one edit that one test catches."""
    return Mutation(name, safeguard, (catcher,), (Edit(path, search, replacement),))


DELIVERY = (
    Mutation(
        "acknowledge_first",
        "A message is acknowledged only after it is handled.",
        ("tests/celery_app/test_stage.py::test_a_broken_invariant_ends_the_worker_and_keeps_the_message",),
        (
            Edit(
                "celery_app/stage.py",
                '        fail_points.reach(f"{self._task.name}.received")\n',
                '        fail_points.reach(f"{self._task.name}.received")\n'
                "        self._acknowledge([message for message, _ in readable])\n",
            ),
            Edit("celery_app/stage.py", "        self._acknowledge(messages)\n", ""),
        ),
    ),
    _one(
        "failed_message_discarded",
        "A message that no stage can handle goes to the dead letters.",
        "tests/celery_app/test_stage.py::test_only_the_bad_message_becomes_a_dead_letter",
        "celery_app/stage.py",
        "        self._deliveries.reject(message)\n        self._held",
        "        self._deliveries.acknowledge([message])\n        self._held",
    ),
    _one(
        "older_messages_acknowledged",
        "An acknowledgement covers the messages of its batch and no older one that waits.",
        "tests/celery_app/test_deliveries.py::test_what_is_not_acknowledged_comes_again",
        "celery_app/deliveries.py",
        "        if sum(tag <= newest for tag in self._unsettled) == len(tags):\n",
        "        if self._unsettled:\n",
    ),
    _one(
        "foreign_confirm_counts",
        "A confirm counts for the message with its tag and for no other.",
        "tests/celery_app/test_publisher.py::test_a_confirm_of_another_channel_or_message_does_not_count",
        "celery_app/publisher.py",
        "            self._unconfirmed.discard(tag)\n",
        "            self._unconfirmed.clear()\n",
    ),
    _one(
        "no_publisher_confirms",
        "A batch counts as sent only when RabbitMQ has confirmed it.",
        "tests/celery_app/test_publisher.py::test_a_late_confirm_does_not_count_for_the_next_message",
        "celery_app/publisher.py",
        "        self._unconfirmed.update(range(first, self._last_tag + 1))\n",
        "        self._unconfirmed.difference_update(range(first, self._last_tag + 1))\n",
    ),
    _one(
        "not_mandatory",
        "A message for which there is no queue is returned, not discarded.",
        "tests/celery_app/test_stage.py::test_a_message_without_a_queue_is_not_sent",
        "celery_app/frames.py",
        "(0, exchange, queue, True, False)",
        "(0, exchange, queue, False, False)",
    ),
    _one(
        "retry_without_rollback",
        "A transaction that fails leaves nothing behind.",
        "tests/tasks/order_execution/test_settle.py::test_35_an_execution_is_refused_and_changes_nothing",
        "db/connect.py",
        "        with self.engine.begin() as tx:\n            try:\n                yield tx\n"
        "            except (psycopg2.Error, DBAPIError) as fault:\n                if is_read_only(fault):\n"
        "                    tx.invalidate()\n                raise\n",
        "        with self.engine.connect() as tx:\n            try:\n                yield tx\n"
        "            finally:\n                tx.commit()\n",
    ),
    _one(
        "read_only_server_is_no_outage",
        "A batch waits for a database server that only reads.",
        "tests/tasks/order_execution/test_task.py::test_a_server_that_only_reads_is_waited_for_over_a_new_connection",
        "celery_app/stage.py",
        '"25006", ',
        "",
    ),
    _one(
        "read_only_connection_reused",
        "A connection to a server that only reads is closed.",
        "tests/db/test_connect.py::test_a_read_only_connection_is_not_used_again",
        "db/connect.py",
        "                    tx.invalidate()\n",
        "                    pass\n",
    ),
    _one(
        "suspicious_messages_reversed",
        "Where order counts, no message overtakes one that ends its worker.",
        "tests/celery_app/test_stage.py::test_where_order_counts_no_message_overtakes_one_that_ends_its_worker",
        "celery_app/stage.py",
        "        if not self._task.keeps_order:\n",
        "        if self._task is not None:\n",
    ),
    _one(
        "definitions_not_loaded",
        "RabbitMQ loads its queues and users again when it has lost its data.",
        "tests/deploy/test_broker_definitions.py::test_after_a_loss_everything_returns_without_a_declaration",
        "deploy/local/services/rabbitmq.py",
        '        configuration += f"\\nload_definitions = {file}\\n"\n',
        "",
    ),
)

ORDER_ENTRY = (
    _one(
        "no_dedupe_in_order_entry",
        "A request that order entry has decided keeps its decision.",
        "tests/tasks/order_entry/test_admit.py::test_a_unit_that_comes_again_changes_nothing_and_is_told_again",
        "tasks/order_entry/admit.py",
        "    decided = decided_before(tx, unit, doubtful, now_us=now_us)\n",
        "    decided = decided_before(tx, unit, [], now_us=now_us)\n",
    ),
    _one(
        "cash_hold_not_checked",
        "An order is admitted only if its client can pay for it.",
        "tests/tasks/order_entry/rules/test_orders.py::test_orders_that_are_affordable_alone_but_not_together",
        "tasks/order_entry/rules/risk.py",
        "        if cents > self.available_cents and cents > 0:\n",
        "        if cents < 0:\n",
    ),
    _one(
        "share_hold_not_checked",
        "Shares are sold once.",
        "tests/tasks/order_entry/rules/test_orders.py::test_shares_are_sold_once",
        "tasks/order_entry/rules/risk.py",
        "        if quantity > self.available:\n",
        "        if quantity < 0:\n",
    ),
    _one(
        "account_locks_swapped",
        "Every transaction locks accounts in the order of their names.",
        "tests/db/clearing_data/test_lock_order.py::test_order_entry_locks_accounts_by_name",
        "db/clearing_data/log/admission.py",
        "WHERE client_id = ANY($1) ORDER BY client_id FOR UPDATE",
        "WHERE client_id = ANY($1) ORDER BY client_id DESC FOR UPDATE",
    ),
    _one(
        "shard_locks_swapped",
        "Every transaction locks shards in the order of their numbers.",
        "tests/db/clearing_data/test_lock_order.py::test_shards_are_locked_by_number",
        "db/clearing_data/log/admission.py",
        "WHERE shard = ANY($1) ORDER BY shard FOR UPDATE",
        "WHERE shard = ANY($1) ORDER BY shard DESC FOR UPDATE",
    ),
    _one(
        "cancel_of_anothers_order_admitted",
        "Order entry denies the cancel of another client's order.",
        "tests/tasks/order_entry/test_admit.py::test_21_nobody_cancels_anothers_order",
        "tasks/order_entry/rules/cancels.py",
        "    if order != KnownOrder(cancel.client_id, cancel.security_id, is_open=True):\n",
        "    if order is None or not order.is_open:\n",
    ),
    _one(
        "client_order_id_not_kept",
        "A client order id stands for the first order that was sent under it.",
        "tests/db/clearing_data/log/test_orders.py::test_the_first_comer_has_the_client_order_id",
        "db/clearing_data/log/orders.py",
        '"CAST(:digests AS bytea[])) ON CONFLICT DO NOTHING"',
        '"CAST(:digests AS bytea[])) ON CONFLICT (client_id, client_order_id) DO UPDATE "\n'
        '            "SET order_id = excluded.order_id, digest = excluded.digest"',
    ),
    _one(
        "order_reversed_in_order_entry",
        "Order entry never lets a message overtake an earlier one.",
        "tests/celery_app/test_stage.py::test_order_entry_keeps_the_order_of_its_messages",
        "tasks/order_entry/task.py",
        "base=OrderEntry, keeps_order=True)",
        "base=OrderEntry)",
    ),
    _one(
        "cancel_marks_ignored",
        "A cancel that overtakes its order closes it.",
        "tests/tasks/order_entry/test_admit.py::test_41_a_cancel_that_overtakes_its_order_closes_it",
        "tasks/order_entry/known.py",
        "        desk.marks.setdefault(mark.client_id, []).append(mark)\n",
        "        desk.marks.setdefault(mark.client_id, [])\n",
    ),
    _one(
        "tick_not_sent_again",
        "What a tick sequenced and may not have sent goes with the next one.",
        "tests/tasks/order_entry/test_tick.py::test_what_a_tick_did_not_send_the_next_one_sends",
        "tasks/order_entry/tick.py",
        "        ranges = progress.unsent\n",
        "        ranges = list[Range]()\n",
    ),
    _one(
        "expired_again_and_again",
        "An order expires once.",
        "tests/tasks/order_entry/test_tick.py::test_orders_expire_once_and_in_the_order_of_their_time",
        "db/clearing_data/listing/trading_day.py",
        "UPDATE open_orders SET expires_us = NULL FROM due",
        "UPDATE open_orders SET expires_us = due.expires_us FROM due",
    ),
    _one(
        "markets_mixed",
        "A competition's accounts and securities trade with each other only.",
        "tests/tasks/order_entry/rules/test_orders.py::test_denied",
        "tasks/order_entry/rules/orders.py",
        "    if funds.competition != security.competition:\n",
        "    if False:\n",
    ),
)

MATCHING = (
    _one(
        "no_dedupe_in_matching",
        "A command that is delivered again is applied once.",
        "tests/tasks/matching/test_shard.py::test_a_batch_that_is_delivered_again_is_applied_once",
        "tasks/matching/shard.py",
        "        fresh = batch.commands[self.seq + 1 - batch.first_seq :]\n",
        "        fresh = batch.commands\n",
    ),
    _one(
        "gap_of_messages_ignored",
        "Commands whose message was lost are read from the log.",
        "tests/tasks/matching/test_shard.py::test_commands_whose_message_was_lost_are_read_from_the_log",
        "tasks/matching/shard.py",
        "        if batch.first_seq > self.seq + 1:\n            self._take_from_log(batch)\n",
        "        self._engine.seq = max(self.seq, batch.first_seq - 1)\n",
    ),
    _one(
        "gap_of_the_log_ignored",
        "A log with a hole stops the worker.",
        "tests/tasks/matching/test_shard.py::test_a_log_with_a_hole_is_not_replayed",
        "tasks/matching/shard.py",
        "                if seq != self._engine.seq + 1:\n",
        "                if seq <= self._engine.seq:\n",
    ),
    _one(
        "messages_not_compared_with_the_log",
        "Commands that were applied from messages are compared with the log.",
        "tests/tasks/matching/test_shard.py::test_a_command_that_differs_from_the_log_stops_the_shard",
        "tasks/matching/shard.py",
        "            self._log.check(self.seq + 1 - len(self._unchecked), self._unchecked)\n",
        "",
    ),
    _one(
        "mark_ahead_of_events",
        "A shard's mark passes only events that RabbitMQ has confirmed.",
        "tests/tasks/matching/test_shard.py::test_the_mark_does_not_pass_unpublished_events",
        "tasks/matching/shard.py",
        "        self._outbox.send(sender, seq=self.seq, began_us=began_us, now_us=now_us)\n"
        "        self.published_seq = max(self.published_seq, self.seq)\n",
        "        self.published_seq = max(self.published_seq, self.seq)\n"
        "        self._outbox.send(sender, seq=self.seq, began_us=began_us, now_us=now_us)\n",
    ),
    _one(
        "mark_before_publish",
        "A worker writes its mark after it has published.",
        "tests/tasks/matching/test_marks.py::test_a_worker_dies_between_executions_and_their_feed",
        "tasks/matching/task.py",
        "            self._publish(self._shards[number], began_us)\n",
        "            self._shards[number].published_seq = self._shards[number].seq\n"
        "            self._shards[number].write_mark()\n"
        "            self._publish(self._shards[number], began_us)\n",
    ),
    _one(
        "snapshot_without_its_tail",
        "A worker replays the log behind the snapshot before it consumes.",
        "tests/tasks/matching/test_task.py::test_events_after_the_mark_are_published_again_before_anything_is_consumed",
        "tasks/matching/shard.py",
        "            self._snapshots.begun_seq = self._snapshots.kept_seq = snapshot_seq = self.seq\n"
        "            self.follow_log()\n",
        "            self._snapshots.begun_seq = self._snapshots.kept_seq = snapshot_seq = self.seq\n",
    ),
    Mutation(
        "unsent_events_forgotten",
        "Events that could not be published go first next time.",
        ("tests/tasks/matching/test_outbox.py::test_unconfirmed_events_go_first_next_time",),
        (
            Edit(
                "tasks/matching/outbox.py",
                "            sender.send_all(parcels)\n            for parcel",
                "            for parcel",
            ),
            Edit(
                "tasks/matching/outbox.py",
                "            del self._auctions[: len(auctions)]\n",
                "            del self._auctions[: len(auctions)]\n            sender.send_all(parcels)\n",
            ),
        ),
    ),
    _one(
        "reports_of_known_commands_dropped",
        "The reports of commands reach the feed although the engine took the commands from the log.",
        "tests/tasks/matching/test_shard.py::test_reports_are_passed_on_whenever_their_commands_are_delivered",
        "tasks/matching/shard.py",
        "        self._outbox.add_reports(batch)\n",
        "        if fresh:\n            self._outbox.add_reports(batch)\n",
    ),
    _one(
        "damaged_snapshot_read",
        "A snapshot whose checksum is wrong is not read.",
        "tests/db/clearing_data/test_snapshot_checksum.py::"
        "test_a_body_that_can_be_unpacked_and_is_another_one_is_damaged",
        "db/clearing_data/snapshots.py",
        "    if sha256(packed).digest() != bytes(checksum):\n        return None\n",
        "",
    ),
    _one(
        "trade_at_the_incoming_price",
        "A trade is made at the resting order's price.",
        "tests/tasks/matching/rules/test_scenarios.py::test_scenario",
        "tasks/matching/rules/matching_book.py",
        "            level_cents = -key if buys else key\n",
        "            level_cents = price_cents\n",
    ),
    _one(
        "self_trade_allowed",
        "No client trades with itself.",
        "tests/tasks/matching/rules/test_scenarios.py::test_scenario",
        "tasks/matching/rules/matching_book.py",
        "                if resting_client == client_id:\n",
        "                if resting_client == order_id:\n",
    ),
    _one(
        "post_only_trades",
        "A post-only order never trades on arrival.",
        "tests/tasks/matching/rules/test_scenarios.py::test_scenario",
        "tasks/matching/rules/placing.py",
        "    if order.post_only:\n",
        "    if order.post_only and not order.quantity:\n",
    ),
    _one(
        "engine_cancels_anothers_order",
        "The engine refuses a cancel by a client that does not own the order.",
        "tests/tasks/matching/rules/test_scenarios.py::test_scenario",
        "tasks/matching/rules/engine.py",
        "        elif order.client_id != cancel.client_id or order.security_id != cancel.security_id:\n",
        "        elif order.security_id != cancel.security_id:\n",
    ),
)

SETTLEMENT = (
    _one(
        "owed_ignores_holds",
        "A client owes shares while its open orders hold what it has.",
        "tests/tasks/order_execution/rules/test_lending.py::test_every_step_leaves_sound_books",
        "tasks/shared/rules/loans.py",
        "    return max(held - net_shares, 0)\n",
        "    return max(-net_shares, 0)\n",
    ),
    _one(
        "collateral_of_first_sales",
        "Collateral is for the last sales, so the order of arrival does not matter.",
        "tests/tasks/order_execution/test_loans.py::test_a_short_position_is_opened_added_to_reduced_and_covered",
        "db/clearing_data/lending/loans.py",
        "        ORDER BY event_id DESC LIMIT owing.most\n",
        "        ORDER BY event_id LIMIT owing.most\n",
    ),
    _one(
        "located_shares_not_counted",
        "DTCC lends no share twice.",
        "tests/tasks/order_execution/test_loans.py::test_why_a_short_sale_is_refused[151-10000-nothing_to_borrow]",
        "tasks/order_entry/rules/short_sales.py",
        "        if lendable is None or short > lendable.available:\n",
        "        if lendable is None:\n",
    ),
    _one(
        "margin_not_checked",
        "A client whose margin is too small is bought in.",
        "tests/tasks/order_execution/test_loans.py::test_the_price_rises[25-0-25000-0]",
        "tasks/order_execution/rules/margin.py",
        "if one.buy_in_us is None and one.excess_cents < 0]",
        "if one.buy_in_us is None and one.excess_cents < -(10**15)]",
    ),
    _one(
        "owed_value_is_available",
        "What owed shares require at their last prices is not available.",
        "tests/tasks/order_execution/test_no_free_money.py::test_a_rise_makes_free_cash_unavailable",
        "db/clearing_data/rows.py",
        "        secured = secured_cents(self.collateral_cents, requirement_cents(self.owed_cents))\n",
        "        secured = self.collateral_cents\n",
    ),
    _one(
        "cash_of_the_fund_is_available",
        "The cash that the default fund has lent to a buy-in cannot leave the exchange.",
        "tests/tasks/order_execution/test_no_free_money.py::test_the_cash_of_the_default_fund_cannot_be_withdrawn",
        "db/clearing_data/rows.py",
        "        if self.is_bought_in:\n",
        "        if False:\n",
    ),
    _one(
        "margin_by_any_limit",
        "A short sale below the market holds the margin of a market order.",
        "tests/tasks/order_execution/test_no_free_money.py::test_a_sale_at_any_price_holds_margin_at_the_market",
        "tasks/order_entry/rules/orders.py",
        "            price_cents = max(limit_cents, least_cents)\n",
        "            price_cents = limit_cents\n",
    ),
    _one(
        "orders_keep_cash_from_debts",
        "Cash in open orders pays for owed shares before the default fund does.",
        "tests/tasks/order_execution/test_no_free_money.py::test_cash_in_open_orders_pays_in_the_final_settlement",
        "db/clearing_data/lending/debts.py",
        "    return bool(clients)\n",
        "    return False\n",
    ),
    _one(
        "no_dedupe_in_order_execution",
        "An execution that is delivered again is settled once.",
        "tests/tasks/order_execution/test_task.py::test_what_comes_again_is_reported_again_and_settled_once",
        "tasks/order_execution/settle.py",
        "    register.register(tx, executions, settled_us=settled_us)\n",
        "",
    ),
    _one(
        "publish_before_commit",
        "A settlement is reported only after it is committed.",
        "tests/tasks/order_execution/test_reporting.py::test_nothing_is_reported_of_what_was_not_committed",
        "tasks/order_execution/task.py",
        "        failed = settle_once(\n",
        "        early = [one for one in executions if type(one) is TradeMade]\n"
        "        publisher().send_all(_parcels(early, covers, {}, settled_us))\n"
        "        failed = settle_once(\n",
    ),
    _one(
        "trade_above_its_hold",
        "No trade takes more cash than was held for it.",
        "tests/tasks/order_execution/rules/test_clearing.py::test_no_buyer_pays_more_than_was_held",
        "tasks/order_execution/rules/clearing.py",
        "    if cash_cents > held_cents:\n",
        "    if cash_cents < 0:\n",
    ),
    _one(
        "settlement_locks_swapped",
        "Order execution locks accounts in the order of their names.",
        "tests/db/clearing_data/test_lock_order.py::test_order_execution_locks_accounts_by_name",
        "db/clearing_data/clearing/settlement.py",
        "ORDER BY client_id FOR UPDATE",
        "ORDER BY client_id DESC FOR UPDATE",
    ),
    _one(
        "settled_coverage_not_stored",
        "Order execution stores which events it has settled.",
        "tests/tasks/order_execution/test_task.py::"
        "test_the_feed_is_told_what_is_settled_and_where_there_was_nothing_to_settle",
        "db/clearing_data/clearing/settlement.py",
        "    coverage.add(statements, MATCHING, covers)\n",
        "",
    ),
    _one(
        "executions_not_divided",
        "Only the bad execution of a message is not settled.",
        "tests/tasks/order_execution/test_task.py::test_one_bad_execution_keeps_no_other_of_its_message_from_being_settled",
        "tasks/order_execution/task.py",
        "        if not middle or executions",
        "        if middle >= 0 or executions",
    ),
    _one(
        "older_phase_written",
        "Of two reports of a phase the later one counts.",
        "tests/tasks/order_execution/test_securities.py::test_of_reports_in_any_order_the_last_one_counts",
        "db/clearing_data/listing/phase_events.py",
        "AND phase_event_id < %s",
        "AND phase_event_id <> %s",
    ),
    _one(
        "settled_for_good_too_early",
        "A security is settled for good when nothing of it is left to settle.",
        "tests/tasks/order_execution/test_securities.py::test_a_settlement_waits_for_all_that_is_open",
        "db/clearing_data/clearing/final_settlement.py",
        "    if not holders <= locked or not nothing_is_left(tx, one):\n",
        "    if not holders <= locked:\n",
    ),
)

FEED = (
    _one(
        "no_dedupe_in_data_feed",
        "A report that is delivered again is stored once.",
        "tests/tasks/data_feed/test_record.py::test_a_batch_that_is_delivered_again_changes_and_pushes_nothing",
        "tasks/data_feed/record.py",
        "            fresh = report_store.without_known(statements.tx, messages, trades)\n",
        "            fresh = Fresh(messages, set())\n",
    ),
    _one(
        "late_level_comes_back",
        "A level that was forgotten does not come back with a late update.",
        "tests/db/market_data/test_book_store.py::test_a_forgotten_level_does_not_come_back",
        "db/market_data/book_store.py",
        "            if head.floor_sequence < level[2] or head.floor_sequence == level[2] == change.snapshot:\n",
        "            if level[2]:\n",
    ),
    _one(
        "gap_not_reported",
        "A new feed worker makes subscribers resynchronise.",
        "tests/tasks/data_feed/test_push.py::test_a_new_worker_starts_as_after_a_gap",
        "tasks/data_feed/push.py",
        "        self._missing = True\n        self._out = False\n",
        "        self._missing = False\n        self._out = False\n",
    ),
    _one(
        "stored_coverage_not_stored",
        "The feed stores which events it has.",
        "tests/tasks/data_feed/test_task.py::test_all_events_of_a_message_but_the_bad_one_are_stored",
        "tasks/data_feed/record.py",
        "    store.cover(statements, covers)\n",
        "",
    ),
    _one(
        "feed_not_divided",
        "Only the bad event of a message is not stored.",
        "tests/tasks/data_feed/test_task.py::test_all_events_of_a_message_but_the_bad_one_are_stored",
        "tasks/data_feed/task.py",
        "        return halves_of(batch)\n",
        "        return None\n",
    ),
)

API = (
    _one(
        "repeated_names_accepted",
        "A body in which a name is given twice is refused.",
        "tests/api/wire/test_order_reading.py::test_no_name_may_be_repeated",
        "api/wire/order_reading.py",
        "        if _is_strict(body, found if isinstance(found, list) else [found]):\n",
        "        if found is not None:\n",
    ),
    _one(
        "half_a_head_compared",
        "A head counts as known only if all of it but the length is the same.",
        "tests/api/http/test_server.py::test_only_the_length_of_a_known_head_may_differ",
        "api/http/head.py",
        "or not digits.isdigit() or not received.startswith(after, end):",
        "or not digits.isdigit():",
    ),
    _one(
        "rate_limit_off",
        "A client that sends ten times its rate is refused.",
        "tests/api/orders/intake/test_rate_limits.py::test_28_ten_times_the_rate",
        "api/orders/intake/rate_limits.py",
        "local tokens = math.floor((ARGV[2] - (full_at - now)) / each)\n",
        "local tokens = math.floor(ARGV[2] / each)\n",
    ),
    _one(
        "revoked_key_accepted",
        "A revoked key is refused.",
        "tests/db/clearing_data/clients/test_keys.py::test_a_client_may_have_several_keys_until_they_are_revoked",
        "db/clearing_data/clients/keys.py",
        "FROM api_keys LEFT JOIN accounts USING (client_id) WHERE key_hash = :hash AND revoked_us IS NULL",
        "FROM api_keys LEFT JOIN accounts USING (client_id) WHERE key_hash = :hash",
    ),
    _one(
        "anothers_reports_readable",
        "A client reads its own reports only.",
        "tests/api/test_whose_reports.py::test_23_anothers_report_by_the_id_of_its_order",
        "api/request/auth.py",
        '    return None if identity.role == "admin" else identity.client_id\n',
        "    return None\n",
    ),
)

AUDIT = (
    _one(
        "audit_without_promises",
        "The audit finds promised ids without an order.",
        "tests/tasks/audit/test_promises.py::test_a_promise_that_is_not_kept_names_client_id_and_order",
        "tasks/audit/audit.py",
        "    checks[1] += check_promises(clearing_data, promises, broken, Patience(patience_s))\n",
        "",
    ),
    _one(
        "audit_without_dead_letters",
        "The audit finds dead letters.",
        "tests/tasks/audit/test_dead_letters.py::test_a_dead_letter_breaks_the_audit",
        "tasks/audit/audit.py",
        "        checks[1] += check_dead_letters(broker_url)\n",
        "        pass\n",
    ),
    _one(
        "audit_without_reports",
        "The audit compares every report with the log.",
        "tests/tasks/audit/test_feed.py::test_a_report_of_each_kind_that_is_missing_doubled_or_changed_is_named[trade]",
        "tasks/audit/audit.py",
        "    for lists in (reports_of_requests, reports_of_trades):\n",
        "    for lists in ():\n",
    ),
    _one(
        "audit_without_candles",
        "The audit compares candles with trades.",
        "tests/tasks/audit/test_audit.py::test_a_fault_is_reported_with_its_rule_and_row[a candle is missing]",
        "tasks/audit/audit.py",
        "check_sequences(tx) + check_candles(tx)",
        "check_sequences(tx)",
    ),
    _one(
        "audit_trusts_snapshots",
        "The audit hashes the bodies of snapshots.",
        "tests/tasks/audit/test_audit.py::test_a_fault_is_reported_with_its_rule_and_row"
        "[a snapshot holds another state than its hash says]",
        "tasks/audit/clearing/snapshots.py",
        "    if (body_hash := digest(snapshot.body).hex()) != snapshot.state_hash:\n",
        "    if (body_hash := snapshot.state_hash) != snapshot.state_hash:\n",
    ),
)

MUTATIONS = {
    mutation.name: mutation for mutation in (*DELIVERY, *ORDER_ENTRY, *MATCHING, *SETTLEMENT, *FEED, *API, *AUDIT)
}
