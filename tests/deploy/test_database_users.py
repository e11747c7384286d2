"""A user of Postgres has exactly the rights that its processes need.

That each can do its work, all tests with processes show: the workers, apis and exchanges of tests are these users.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import psycopg2
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from db.connect import Database
from db.market_data import partitions
from deploy.database_users import RIGHTS, USERS, grant, make_users, urls_of
from tests.support.databases import owner_urls, passwords_of_users

CLEARING, MARKET = "CLEARING_DATA_URL", "MARKET_DATA_URL"
NOW_US = 1_700_000_000_000_000


@pytest.fixture
def urls(clearing_data: Database, market_data: Database) -> dict[str, str]:
    """Addresses of the databases for their owner; the users exist."""
    urls = owner_urls()
    for _ in range(2):  # a second run changes nothing
        make_users(urls[CLEARING], passwords_of_users())
        for variable, url in urls.items():
            grant(url, variable, passwords_of_users())
    return urls


def databases_of(user: str, urls: Mapping[str, str]) -> Iterator[tuple[str, Database]]:
    for variable, url in urls_of(user, urls, passwords_of_users()[user]).items():
        database = Database(url)
        yield variable, database
        database.engine.dispose()


def may(database: Database, statement: str) -> bool:
    """Return whether Postgres would let the user run a statement, without running it."""
    try:
        with database.transaction() as tx:
            tx.execute(text(f"EXPLAIN {statement}"))
    except DBAPIError as fault:
        if not isinstance(fault.orig, psycopg2.errors.InsufficientPrivilege):
            raise
        return False
    return True


FORBIDDEN = {
    "api": {
        CLEARING: [
            "DELETE FROM ledger",
            "UPDATE ledger SET cash_cents = 0",
            "DELETE FROM accounts",
            "INSERT INTO order_log SELECT * FROM order_log",
            "INSERT INTO executions SELECT * FROM executions",
            "UPDATE orders SET quantity = 1",
            "UPDATE holdings SET held = 0",
            "UPDATE securities SET phase = 'halted'",
            "UPDATE api_keys SET role = 'admin'",
            "UPDATE last_prices SET price_cents = 1",
        ],
        MARKET: [
            "INSERT INTO trade_reports SELECT * FROM trade_reports",
            "DELETE FROM order_reports",
            "UPDATE books SET bid_cents = 1",
        ],
    },
    "streams": {
        CLEARING: [
            "INSERT INTO api_keys SELECT * FROM api_keys",
            "UPDATE accounts SET balance_cents = 0",
            "INSERT INTO client_order_ids SELECT * FROM client_order_ids",
            "SELECT FROM order_log",
            "SELECT FROM corrections",
        ],
        MARKET: ["INSERT INTO order_reports SELECT * FROM order_reports", "DELETE FROM candles"],
    },
    "order_entry": {
        CLEARING: [
            "DELETE FROM ledger",
            "INSERT INTO ledger SELECT * FROM ledger",
            "SELECT FROM ledger",
            "UPDATE accounts SET balance_cents = 0",
            "UPDATE accounts SET state = 'open'",
            "UPDATE holdings SET shares = 1",
            "DELETE FROM order_log",
            "UPDATE order_log SET command = ''",
            "DELETE FROM orders",
            "INSERT INTO executions SELECT * FROM executions",
            "SELECT FROM api_keys",
        ],
    },
    "matching": {
        CLEARING: [
            "SELECT FROM accounts",
            "SELECT FROM api_keys",
            "SELECT FROM ledger",
            "INSERT INTO order_log SELECT * FROM order_log",
            "UPDATE shards SET last_seq = 0",
            "UPDATE securities SET phase = 'halted'",
        ],
    },
    "order_execution": {
        CLEARING: [
            "DELETE FROM ledger",
            "UPDATE ledger SET cash_cents = 0",
            "DELETE FROM executions",
            "INSERT INTO orders SELECT * FROM orders",
            "INSERT INTO order_log SELECT * FROM order_log",
            "INSERT INTO accounts SELECT * FROM accounts",
            "UPDATE accounts SET state = 'open'",
            "SELECT FROM api_keys",
        ],
    },
    "data_feed": {
        MARKET: [
            "DELETE FROM order_reports",
            "DELETE FROM trade_reports",
            "UPDATE trade_reports SET price_cents = 1",
            "INSERT INTO dropped SELECT * FROM dropped",
        ],
    },
    "scheduler": {
        MARKET: [
            "SELECT FROM reports",
            "DELETE FROM order_reports_default",
            "INSERT INTO dropped SELECT * FROM dropped",
        ],
    },
    "catch_up": {
        CLEARING: ["SELECT FROM api_keys", "SELECT FROM accounts", "INSERT INTO order_log SELECT * FROM order_log"],
        MARKET: ["INSERT INTO trade_reports SELECT * FROM trade_reports"],
    },
    "referee": {
        CLEARING: [
            "SELECT FROM api_keys",
            "SELECT FROM invites",
            "UPDATE accounts SET balance_cents = 0",
            "UPDATE holdings SET shares = 1",
            "UPDATE securities SET phase = 'halted'",
            "UPDATE round_results SET gain_cents = 0",
            "INSERT INTO competition_teams SELECT * FROM competition_teams",
        ],
    },
}


def test_every_user_is_tested() -> None:
    assert FORBIDDEN.keys() == set(USERS)
    for user, forbidden in FORBIDDEN.items():
        assert forbidden.keys() == {variable for variable, rights in RIGHTS.items() if user in rights}


@pytest.mark.parametrize("user", USERS)
def test_a_user_may_not_do_what_its_processes_never_do(urls: dict[str, str], user: str) -> None:
    for variable, database in databases_of(user, urls):
        owner = Database(urls[variable])
        for statement in FORBIDDEN[user][variable]:
            assert may(owner, statement), statement
            assert not may(database, statement), statement
        owner.engine.dispose()


@pytest.mark.parametrize("user", USERS)
def test_a_user_alters_no_table_creates_none_and_grants_nothing(urls: dict[str, str], user: str) -> None:
    for variable, database in databases_of(user, urls):
        table = "ledger" if variable == CLEARING else "trade_reports"
        for statement in (
            f"DROP TABLE {table}",
            f"ALTER TABLE {table} ADD COLUMN more int",
            f"TRUNCATE {table}",
            f"ALTER TABLE {table} DISABLE TRIGGER ALL",
            "CREATE TABLE more ()",
            "CREATE TEMPORARY TABLE more ()",
            "CREATE ROLE more",
            "ALTER ROLE api SUPERUSER",
            "GRANT SELECT ON accounts TO PUBLIC" if variable == CLEARING else "GRANT SELECT ON trades TO PUBLIC",
            "SET session_replication_role = replica",
            "COPY (SELECT 1) TO PROGRAM 'true'",
            "CREATE DATABASE more",
        ):
            refused = False
            try:
                with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as tx:
                    tx.execute(text(statement))
            except DBAPIError as fault:
                refused = isinstance(fault.orig, psycopg2.errors.InsufficientPrivilege)
            # GRANT without the right to grant only warns: check that nothing was granted.
            assert refused or statement.startswith("GRANT"), statement
            assert not public_may_read(urls[variable], table)


def public_may_read(url: str, table: str) -> bool:
    engine = create_engine(url)
    try:
        with engine.connect() as tx:
            query = text("SELECT relacl::text FROM pg_class WHERE relname = :table")
            granted = str(tx.execute(query, {"table": table}).scalar_one())
            return "{=" in granted or ",=" in granted
    finally:
        engine.dispose()


@pytest.mark.parametrize(
    ("user", "variable"),
    [(user, variable) for user in USERS for variable, rights in RIGHTS.items() if user not in rights],
)
def test_a_user_cannot_connect_to_a_database_it_does_not_need(urls: dict[str, str], user: str, variable: str) -> None:
    everywhere = dict.fromkeys(urls_of(user, urls, "x")) | urls
    password = passwords_of_users()[user]
    address = everywhere[variable].replace(everywhere[variable].partition("://")[2].rpartition("@")[0], "")
    database = Database(address.replace("://", f"://{user}:{password}"))
    with pytest.raises(OperationalError, match="permission denied for database"):
        database.engine.connect()
    database.engine.dispose()


def test_the_feed_creates_partitions_without_owning_the_tables(urls: dict[str, str], market_data: Database) -> None:
    ((_, feed),) = databases_of("data_feed", urls)
    with market_data.transaction() as tx:
        for table in partitions.DAILY:
            for (part,) in tx.execute(
                text(
                    "SELECT CAST(CAST(inhrelid AS regclass) AS text) FROM pg_inherits "
                    "WHERE inhparent = CAST(:table AS regclass)"
                ),
                {"table": table.name},
            ).all():
                if not part.endswith("_default"):
                    tx.execute(text(f"DROP TABLE {part}"))
    assert partitions.create_ahead(feed, now_us=NOW_US) == []
    with market_data.transaction() as tx:
        found = tx.execute(
            text("SELECT count(*) FROM pg_class WHERE relname LIKE 'trade\\_reports\\_2023%' AND relkind = 'r'")
        )
        assert found.scalar_one() == partitions.AHEAD_DAYS + 1


@pytest.mark.parametrize("table", ["report_heads", "trades; DROP TABLE trades", "candles"])
def test_the_feed_creates_no_other_partition(urls: dict[str, str], table: str) -> None:
    ((_, feed),) = databases_of("data_feed", urls)
    with pytest.raises(DBAPIError, match="there are no days of"), feed.transaction() as tx:
        tx.execute(text("SELECT make_day(:table, 20000, 1)"), {"table": table})


def test_rights_that_a_user_had_before_are_revoked(urls: dict[str, str], clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        tx.execute(text("GRANT ALL ON ALL TABLES IN SCHEMA public TO matching"))
    grant(urls[CLEARING], CLEARING, passwords_of_users())
    ((_, matching),) = databases_of("matching", urls)
    assert not may(matching, "SELECT FROM api_keys")
