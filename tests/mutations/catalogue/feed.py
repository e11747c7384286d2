"""Safeguards of the data feed."""

from __future__ import annotations

from tests.mutations.mutation import single

FEED = (
    single(
        "no_dedupe_in_data_feed",
        "A report that is delivered again is stored once.",
        "tests/tasks/data_feed/test_record.py::test_a_batch_that_is_delivered_again_changes_and_pushes_nothing",
        "tasks/data_feed/record.py",
        "            fresh = report_store.without_known(statements.tx, messages, trades)\n",
        "            fresh = Fresh(messages, set())\n",
    ),
    single(
        "late_level_comes_back",
        "A level that was forgotten does not come back with a late update.",
        "tests/db/market_data/test_book_store.py::test_a_forgotten_level_does_not_come_back",
        "db/market_data/book_store.py",
        "            if head.floor_sequence < level[2] or head.floor_sequence == level[2] == change.snapshot:\n",
        "            if level[2]:\n",
    ),
    single(
        "gap_not_reported",
        "A new feed worker makes subscribers resynchronise.",
        "tests/tasks/data_feed/test_push.py::test_a_new_worker_starts_as_after_a_gap",
        "tasks/data_feed/push.py",
        "        self._missing = True\n        self._out = False\n",
        "        self._missing = False\n        self._out = False\n",
    ),
    single(
        "stored_coverage_not_stored",
        "The feed stores which events it has.",
        "tests/tasks/data_feed/test_task.py::test_all_events_of_a_message_but_the_bad_one_are_stored",
        "tasks/data_feed/record.py",
        "    store.cover(statements, covers)\n",
        "",
    ),
    single(
        "readers_not_announced",
        "The feed pushes the reports that a client of the streams reads.",
        "tests/api/streams/feed/test_reports_behind.py::test_reports_are_pushed_to_a_reader_from_its_first_moment_on",
        "api/streams/feed/private.py",
        "                self._announcements.make([client_id])\n",
        "",
    ),
    single(
        "feed_not_divided",
        "Only the bad event of a message is not stored.",
        "tests/tasks/data_feed/test_task.py::test_all_events_of_a_message_but_the_bad_one_are_stored",
        "tasks/data_feed/task.py",
        "        return halves_of(batch)\n",
        "        return None\n",
    ),
)
