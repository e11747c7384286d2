from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest
from psycopg2.errors import ReadOnlySqlTransaction, UniqueViolation
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import DBAPIError

from celery_app.faults import is_transient
from db.connect import Database, copy_rows
from tasks import services

COLUMNS = ("number", "word", "flag")


@pytest.mark.parametrize(
    "row",
    [
        (1, "plain", True),
        (-(2**63), "", False),
        (2**63 - 1, None, None),
        (1, "null", True),
        (1, 'says "no", twice', True),
        (1, "back\\slash, \\N, \\n and \\", True),
        (1, '\\"', True),
        (1, "[1],[2]", True),
        (1, "\\.", True),
        (1, "žluťoučký 🐎", True),
    ],
)
def test_copied_rows_are_read_unchanged(market_data: Database, row: tuple[object, ...]) -> None:
    with market_data.transaction() as tx:
        tx.execute(text("CREATE TEMPORARY TABLE copied (number bigint, word text, flag boolean) ON COMMIT DROP"))
        copy_rows(tx, "copied", COLUMNS, [row, row])
        assert [tuple(found) for found in tx.execute(text("SELECT * FROM copied"))] == [row, row]


def test_no_rows(market_data: Database) -> None:
    with market_data.transaction() as tx:
        copy_rows(tx, "prices", ("security_id", "sequence"), [])


@pytest.mark.parametrize("word", ["line\nfeed", "tab\t", "nul\x00", "bell\x07"])
def test_a_control_character_is_refused(market_data: Database, word: str) -> None:
    with market_data.transaction() as tx, pytest.raises(ValueError, match="control character"):
        copy_rows(tx, "prices", ("security_id",), [(word,)])


def test_a_duplicate_row_is_refused(market_data: Database) -> None:
    with pytest.raises(UniqueViolation), market_data.transaction() as tx:
        copy_rows(tx, "report_heads", ("client_id", "sequence"), [("ANN", 1), ("ANN", 2)])


def test_a_transaction_that_fails_leaves_nothing_behind(market_data: Database) -> None:
    query = text("SELECT count(*) FROM report_heads WHERE client_id = 'LEFT'")
    with pytest.raises(KeyError), market_data.transaction() as tx:  # noqa: PT012  # the block is what is tested
        copy_rows(tx, "report_heads", ("client_id", "sequence"), [("LEFT", 1)])
        assert tx.execute(query).scalar_one() == 1
        raise KeyError
    with market_data.transaction() as tx:
        assert tx.execute(query).scalar_one() == 0


def test_a_transaction_of_a_paused_process_ends_and_may_be_repeated(market_data: Database) -> None:
    url = market_data.engine.url.render_as_string(hide_password=False)
    paused = Database(url, idle_s=0.2, application_name="paused")
    lock = "SELECT FROM report_heads FOR UPDATE"
    with market_data.transaction() as tx:
        copy_rows(tx, "report_heads", ("client_id", "sequence"), [("ANN", 1)])
    with pytest.raises((DBAPIError, psycopg2.Error)) as ended, paused.transaction() as tx:  # noqa: PT012
        tx.execute(text(lock))
        with market_data.transaction() as other:  # waits for the end of the one that does nothing
            other.execute(text(lock))
        tx.execute(text(lock))
    assert is_transient(ended.value)
    with paused.transaction() as tx:
        tx.execute(text(lock))
    paused.engine.dispose()


@pytest.mark.parametrize(("stage", "idle"), [("order_entry", "1min"), ("order_execution", "1min"), ("matching", "0")])
def test_no_stage_that_locks_accounts_keeps_them_while_it_is_paused(
    clearing_data: Database, stage: str, idle: str
) -> None:
    database = services.clearing_data.__wrapped__(stage)
    with database.transaction() as tx:
        assert tx.execute(text("SHOW idle_in_transaction_session_timeout")).scalar_one() == idle
    database.engine.dispose()


def test_a_read_only_connection_is_not_used_again(market_data: Database) -> None:
    database = Database(market_data.engine.url.render_as_string(hide_password=False))
    with database.transaction() as tx:
        first = tx.execute(text("SELECT pg_backend_pid()")).scalar_one()
    for write in (_execute, _copy):
        with pytest.raises((ReadOnlySqlTransaction, DBAPIError)):
            _in_a_transaction_that_only_reads(database, write)
        with database.transaction() as tx:
            other = tx.execute(text("SELECT pg_backend_pid()")).scalar_one()
        assert other != first
        first = other
    with database.transaction() as tx:
        _copy(tx)
    database.engine.dispose()


def _in_a_transaction_that_only_reads(database: Database, write: Callable[[Connection], None]) -> None:
    with database.transaction() as tx:
        tx.execute(text("SET TRANSACTION READ ONLY"))
        write(tx)


def _execute(tx: Connection) -> None:
    tx.execute(text("INSERT INTO report_heads VALUES ('ANN', 1)"))


def _copy(tx: Connection) -> None:
    copy_rows(tx, "report_heads", ("client_id", "sequence"), [("ANN", 1)])


def test_of_several_servers_a_silent_one_holds_up_one_attempt_only(market_data: Database) -> None:
    own = market_data.engine.url
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor(1) as background:
        servers = (f"127.0.0.1:{silent.getsockname()[1]}", f"{own.host}:{own.port}")
        url = make_url(own.set(host=None, port=None)).update_query_dict({"host": servers})
        database = Database(url.render_as_string(hide_password=False), pool_size=2)
        waiting = background.submit(_answer, database)
        held, _ = silent.accept()
        with held:
            assert _answer(database) == 1
            assert not waiting.done()
        with pytest.raises(DBAPIError):
            waiting.result()
        # The next connections begin with the server that has accepted one.
        database.engine.dispose()
        assert _answer(database) == 1
        silent.setblocking(False)
        with pytest.raises(BlockingIOError):
            silent.accept()
        database.engine.dispose()


def _answer(database: Database) -> int:
    with database.transaction() as tx:
        one: int = tx.execute(text("SELECT 1")).scalar_one()
        return one
