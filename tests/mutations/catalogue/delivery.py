"""Safeguards of the delivery of messages."""

from __future__ import annotations

from tests.mutations.mutation import Edit, Mutation, single

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
    single(
        "failed_message_discarded",
        "A message that no stage can handle goes to the dead letters.",
        "tests/celery_app/test_stage.py::test_only_the_bad_message_becomes_a_dead_letter",
        "celery_app/stage.py",
        "        self._deliveries.reject(message)\n        self._held",
        "        self._deliveries.acknowledge([message])\n        self._held",
    ),
    single(
        "older_messages_acknowledged",
        "An acknowledgement covers the messages of its batch and no older one that waits.",
        "tests/celery_app/test_deliveries.py::test_what_is_not_acknowledged_comes_again",
        "celery_app/deliveries.py",
        "        if sum(tag <= newest for tag in self._unsettled) == len(tags):\n",
        "        if self._unsettled:\n",
    ),
    single(
        "foreign_confirm_counts",
        "A confirm counts for the message with its tag and for no other.",
        "tests/celery_app/test_publisher.py::test_a_confirm_of_another_channel_or_message_does_not_count",
        "celery_app/publisher.py",
        "            self._unconfirmed.discard(tag)\n",
        "            self._unconfirmed.clear()\n",
    ),
    single(
        "no_publisher_confirms",
        "A batch counts as sent only when RabbitMQ has confirmed it.",
        "tests/celery_app/test_publisher.py::test_a_late_confirm_does_not_count_for_the_next_message",
        "celery_app/publisher.py",
        "        self._unconfirmed.update(range(first, self._last_tag + 1))\n",
        "        self._unconfirmed.difference_update(range(first, self._last_tag + 1))\n",
    ),
    single(
        "not_mandatory",
        "A message for which there is no queue is returned, not discarded.",
        "tests/celery_app/test_stage.py::test_a_message_without_a_queue_is_not_sent",
        "celery_app/frames.py",
        "(0, exchange, queue, True, False)",
        "(0, exchange, queue, False, False)",
    ),
    single(
        "retry_without_rollback",
        "A transaction that fails leaves nothing behind.",
        "tests/db/test_connect.py::test_a_transaction_that_fails_leaves_nothing_behind",
        "db/connect.py",
        "        with self.engine.begin() as tx:\n            try:\n                yield tx\n"
        "            except (psycopg2.Error, DBAPIError) as fault:\n                if is_read_only(fault):\n"
        "                    tx.invalidate()\n                raise\n",
        "        with self.engine.connect() as tx:\n            try:\n                yield tx\n"
        "            finally:\n                tx.commit()\n",
    ),
    single(
        "read_only_server_is_no_outage",
        "A batch waits for a database server that only reads.",
        "tests/tasks/order_execution/test_task.py::test_a_server_that_only_reads_is_waited_for_over_a_new_connection",
        "celery_app/faults.py",
        '"25006", ',
        "",
    ),
    single(
        "read_only_connection_reused",
        "A connection to a server that only reads is closed.",
        "tests/db/test_connect.py::test_a_read_only_connection_is_not_used_again",
        "db/connect.py",
        "                    tx.invalidate()\n",
        "                    pass\n",
    ),
    single(
        "suspicious_messages_reversed",
        "Where order counts, no message overtakes one that ends its worker.",
        "tests/celery_app/test_stage.py::test_where_order_counts_no_message_overtakes_one_that_ends_its_worker",
        "celery_app/stage.py",
        "        if self._task.keeps_order:\n",
        "        if self._task is None:\n",
    ),
    single(
        "innocent_message_is_a_dead_letter",
        "A message becomes a dead letter for what it did, not for how often it was delivered.",
        "tests/celery_app/test_stage.py::test_a_message_that_no_worker_got_to_is_handled_however_often_it_was_delivered",
        "celery_app/stage.py",
        "        if noted[message_id] > HARMFUL_ATTEMPTS:\n",
        "        if _deliveries(message) > HARMFUL_ATTEMPTS:\n",
    ),
    single(
        "attempts_of_a_living_worker_counted",
        "A message that waits for a service is not taken for one that ends workers.",
        "tests/celery_app/test_stage.py::test_a_message_that_no_worker_got_to_is_handled_however_often_it_was_delivered",
        "celery_app/stage.py",
        "            if message_id not in noted:\n",
        "            if message_id:\n",
    ),
    single(
        "definitions_not_loaded",
        "RabbitMQ loads its queues and users again when it has lost its data.",
        "tests/deploy/test_broker_definitions.py::test_after_a_loss_everything_returns_without_a_declaration",
        "deploy/local/services/rabbitmq.py",
        '        configuration += f"\\nload_definitions = {file}\\n"\n',
        "",
    ),
)
