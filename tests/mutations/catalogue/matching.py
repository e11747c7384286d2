"""Safeguards of matching."""

from __future__ import annotations

from tests.mutations.mutation import Edit, Mutation, single

MATCHING = (
    single(
        "no_dedupe_in_matching",
        "A command that is delivered again is applied once.",
        "tests/tasks/matching/test_shard.py::test_a_batch_that_is_delivered_again_is_applied_once",
        "tasks/matching/shard.py",
        "        fresh = batch.commands[self.seq + 1 - batch.first_seq :]\n",
        "        fresh = batch.commands\n",
    ),
    single(
        "gap_of_messages_ignored",
        "Commands whose message was lost are read from the log.",
        "tests/tasks/matching/test_shard.py::test_commands_whose_message_was_lost_are_read_from_the_log",
        "tasks/matching/shard.py",
        "        if batch.first_seq > self.seq + 1:\n            self._take_from_log(batch)\n",
        "        self._engine.seq = max(self.seq, batch.first_seq - 1)\n",
    ),
    single(
        "gap_of_the_log_ignored",
        "A log with a hole stops the worker.",
        "tests/tasks/matching/test_shard.py::test_a_log_with_a_hole_is_not_replayed",
        "tasks/matching/shard.py",
        "                if seq != self._engine.seq + 1:\n",
        "                if seq <= self._engine.seq:\n",
    ),
    single(
        "messages_not_compared_with_the_log",
        "Commands that were applied from messages are compared with the log.",
        "tests/tasks/matching/test_shard.py::test_a_command_that_differs_from_the_log_stops_the_shard",
        "tasks/matching/shard.py",
        "            self._log.check(self.seq + 1 - len(self._unchecked), self._unchecked)\n",
        "",
    ),
    single(
        "mark_ahead_of_events",
        "A shard's mark passes only events that RabbitMQ has confirmed.",
        "tests/tasks/matching/test_shard.py::test_the_mark_does_not_pass_unpublished_events",
        "tasks/matching/shard.py",
        "        self._outbox.send(sender, seq=self.seq, began_us=began_us, now_us=now_us)\n"
        "        self.published_seq = max(self.published_seq, self.seq)\n",
        "        self.published_seq = max(self.published_seq, self.seq)\n"
        "        self._outbox.send(sender, seq=self.seq, began_us=began_us, now_us=now_us)\n",
    ),
    single(
        "mark_before_publish",
        "A worker writes its mark after it has published.",
        "tests/tasks/matching/test_marks.py::test_a_worker_dies_between_executions_and_their_feed",
        "tasks/matching/task.py",
        "            self._publish(self._shards[number], began_us)\n",
        "            self._shards[number].published_seq = self._shards[number].seq\n"
        "            self._shards[number].write_mark()\n"
        "            self._publish(self._shards[number], began_us)\n",
    ),
    single(
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
    single(
        "reports_of_known_commands_dropped",
        "The reports of commands reach the feed although the engine took the commands from the log.",
        "tests/tasks/matching/test_shard.py::test_reports_are_passed_on_whenever_their_commands_are_delivered",
        "tasks/matching/shard.py",
        "        self._outbox.add_reports(batch)\n",
        "        if fresh:\n            self._outbox.add_reports(batch)\n",
    ),
    single(
        "damaged_snapshot_read",
        "A snapshot whose checksum is wrong is not read.",
        "tests/db/clearing_data/test_snapshot_checksum.py::"
        "test_a_body_that_can_be_unpacked_and_is_another_one_is_damaged",
        "db/clearing_data/snapshots.py",
        "    if sha256(packed).digest() != bytes(checksum):\n        return None\n",
        "",
    ),
    single(
        "trade_at_the_incoming_price",
        "A trade is made at the resting order's price.",
        "tests/tasks/matching/rules/test_scenarios.py::test_scenario",
        "tasks/matching/rules/matching_book.py",
        "            level_cents = -key if buys else key\n",
        "            level_cents = price_cents\n",
    ),
    single(
        "self_trade_allowed",
        "No client trades with itself.",
        "tests/tasks/matching/rules/test_scenarios.py::test_scenario",
        "tasks/matching/rules/matching_book.py",
        "                if resting_client == client_id:\n",
        "                if resting_client == order_id:\n",
    ),
    single(
        "post_only_trades",
        "A post-only order never trades on arrival.",
        "tests/tasks/matching/rules/test_scenarios.py::test_scenario",
        "tasks/matching/rules/placing.py",
        "    if order.post_only:\n",
        "    if order.post_only and not order.quantity:\n",
    ),
    single(
        "engine_cancels_anothers_order",
        "The engine refuses a cancel by a client that does not own the order.",
        "tests/tasks/matching/rules/test_scenarios.py::test_scenario",
        "tasks/matching/rules/engine.py",
        "        elif order.client_id != cancel.client_id or order.security_id != cancel.security_id:\n",
        "        elif order.security_id != cancel.security_id:\n",
    ),
)
