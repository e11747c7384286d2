"""The order log in Postgres."""

from __future__ import annotations

import msgspec
import pytest
from sqlalchemy import text

from db.clearing_data.log import order_log
from db.connect import Database
from tests.support.command_logs import seeded_log
from tests.support.order_log import append


def test_commands_are_read_in_order_and_a_page_at_a_time(clearing_data: Database) -> None:
    commands = seeded_log(1, 100)
    append(clearing_data, 0, commands[:60])
    append(clearing_data, 0, commands[60:])
    with clearing_data.transaction() as tx:
        assert order_log.read_commands(tx, 0, after_seq=0, limit=1_000) == list(enumerate(commands, 1))
        assert order_log.read_commands(tx, 0, after_seq=55, limit=10) == list(enumerate(commands[55:65], 56))
        assert order_log.read_commands(tx, 0, after_seq=100, limit=10) == []
        assert order_log.read_commands(tx, 1, after_seq=0, limit=10) == []
        assert (order_log.last_seq(tx, 0), order_log.last_seq(tx, 1)) == (100, 0)


def test_an_invalid_command_is_not_decoded(clearing_data: Database) -> None:
    append(clearing_data, 0, seeded_log(1, 3))
    with clearing_data.transaction() as tx:
        tx.execute(text("UPDATE order_log SET command = replace(command, 'place', 'plaice') WHERE seq = 1"))
        with pytest.raises(msgspec.ValidationError):
            order_log.read_commands(tx, 0, after_seq=0, limit=10)
