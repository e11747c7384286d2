"""The numbers of the logs: without a gap, even if transactions that take them fail."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from psycopg2.errors import UniqueViolation
from sqlalchemy import text

from db.clearing_data.log import admission, orders
from db.clearing_data.log.admission import Sequenced
from db.connect import Database
from db.statements import Statements, one_transaction
from tasks.messages import CancelOrder


def command(number: int) -> CancelOrder:
    return CancelOrder(number, "SINGLE", "MSFT", 1, 5)


def test_a_command_is_appended_once(clearing_data: Database) -> None:
    with one_transaction(clearing_data) as statements:
        assert admission.append(statements, {1: [command(1)], 0: [command(2), command(3)]}) == {0: 1, 1: 1}
    with pytest.raises(UniqueViolation), one_transaction(clearing_data) as statements:
        admission.append(statements, {0: [command(4), command(1)]})
    with one_transaction(clearing_data) as statements:
        assert admission.append(statements, {0: [command(5)]}) == {0: 3}
    with clearing_data.transaction() as tx:
        assert admission.sequenced(tx, [1, 4, 5]) == {1: Sequenced(1, 1, command(1)), 5: Sequenced(0, 3, command(5))}


def test_many_writers_leave_no_gap(clearing_data: Database) -> None:
    def write(writer: int) -> None:
        for turn in range(20):
            number = writer * 1_000 + turn * 3
            with clearing_data.transaction() as tx:
                statements = Statements(tx)
                admission.append(statements, {1: [command(number)], 0: [command(number + 1), command(number + 2)]})
                statements.run()
                if turn % 4 == 0:
                    tx.rollback()

    with ThreadPoolExecutor(4) as writers:
        list(writers.map(write, range(1, 5)))
    with clearing_data.transaction() as tx:
        for shard, count in ((0, 120), (1, 60)):
            log = text("SELECT seq FROM order_log WHERE shard = :shard ORDER BY seq")
            assert tx.execute(log, {"shard": shard}).scalars().all() == list(range(1, count + 1))


def test_ids_count_as_issued_from_when_their_block_is_taken(clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        assert admission.issued_below(tx) == 1
        for _ in range(2):
            block = orders.next_order_ids(tx)
            assert admission.issued_below(tx) == block.stop
