"""Applied commands are compared with a log in a real Postgres."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from celery_app.stage import InvariantBroken
from db.connect import Database
from tasks.matching.log_reader import LogReader
from tests.support.command_logs import seeded_log
from tests.support.order_log import append

COMMANDS = seeded_log(1, 60)


@pytest.fixture
def reader(clearing_data: Database) -> LogReader:
    append(clearing_data, 0, COMMANDS[:50])
    return LogReader(0, clearing_data)


def test_commands_that_agree_with_the_log_pass(reader: LogReader) -> None:
    reader.check(1, COMMANDS[:50])
    reader.check(21, COMMANDS[20:30])


def test_a_command_that_differs_from_the_log_is_found(reader: LogReader) -> None:
    with pytest.raises(InvariantBroken, match="command 25 of shard 0 differs from the log"):
        reader.check(21, [*COMMANDS[20:24], COMMANDS[9], *COMMANDS[25:30]])


def test_a_command_missing_in_the_log_is_found(reader: LogReader) -> None:
    with pytest.raises(InvariantBroken, match="command 51 of shard 0 is ahead of the log"):
        reader.check(46, COMMANDS[45:55])
    with pytest.raises(InvariantBroken, match="command 51 of shard 0 is ahead of the log"):
        reader.check(51, COMMANDS[50:55])


def test_lines_of_another_form_and_the_same_meaning_pass(reader: LogReader, clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        tx.execute(text("UPDATE order_log SET command = replace(command, ',', ', ')"))
    reader.check(1, COMMANDS[:50])


def test_an_invalid_line_is_found(reader: LogReader, clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        tx.execute(text("UPDATE order_log SET command = 'nonsense' WHERE seq = 7"))
    with pytest.raises(InvariantBroken, match="contains an invalid command"):
        reader.check(1, COMMANDS[:50])
    with pytest.raises(InvariantBroken, match="contains an invalid command"):
        reader.page(after_seq=0)
