"""Applied commands are compared with a log in a real Postgres."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from celery_app.faults import InvariantBroken, is_transient
from db.clearing_data.tables import metadata
from db.connect import Database
from tasks.matching.log_reader import LogLags, LogReader
from tasks.matching.shard import CommandsRefused, Shard
from tasks.messages import CommandBatch
from tests.support.command_logs import seeded_log
from tests.support.order_log import append
from tests.support.postgres_pair import PostgresPair
from tests.support.streams import wait_until

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


def _waits(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except (LogLags, ProgrammingError):  # the standby may not even have the tables yet
        return True
    return False


def test_on_a_standby_that_lags_matching_waits() -> None:
    """What is missing there arrives; on a primary, the same is a loss of acknowledged commits."""
    with PostgresPair() as pair:
        primary, standby = Database(pair.url), Database(pair.standby_url)
        metadata.create_all(primary.engine)
        with primary.transaction() as tx:
            tx.execute(text("INSERT INTO shards (shard) VALUES (0)"))
        append(primary, 0, COMMANDS[:50])
        reader, shard = LogReader(0, standby), Shard(0, standby)
        wait_until(lambda: not _waits(lambda: reader.page(after_seq=50)))
        shard.follow_log()
        pair.pause_standby()
        append(primary, 0, COMMANDS[50:])
        unseen = CommandBatch(0, 56, COMMANDS[55:60])
        assert _waits(lambda: reader.check(46, COMMANDS[45:55]))
        with pytest.raises(LogLags) as lags:
            reader.page(after_seq=60)
        assert is_transient(lags.value)
        assert _waits(lambda: shard._take_from_log(unseen))
        assert shard.seq == 50
        pair.pause_standby(paused=False)
        wait_until(lambda: not _waits(lambda: shard._take_from_log(unseen)))
        assert shard.seq == 60
        reader.check(46, COMMANDS[45:55])
        with pytest.raises(InvariantBroken, match="ahead of the log"):
            LogReader(0, primary).page(after_seq=61)
        with pytest.raises(CommandsRefused, match="beyond the end of the log"):
            Shard(0, primary)._take_from_log(CommandBatch(0, 70, COMMANDS[:5]))
        for database in (primary, standby):
            database.engine.dispose()
