"""A user of Postgres for each kind of process, with the least rights, column by column.

The owner of the databases makes them at each start, after the migrations. Only `deploy.migrate` and the operator's
tools know the owner's password.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

import psycopg2.extensions
from psycopg2 import sql
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import DBAPIError

from db.connect import Database

# The rights of each user in each database. A user may not even connect to a database that does not list it.
_CLEARING_DATA: Mapping[str, tuple[str, ...]] = {
    "api": (
        "SELECT ON ALL TABLES IN SCHEMA public",
        "USAGE, SELECT ON SEQUENCE order_ids",
        "INSERT ON accounts, holdings, ledger, corrections, api_keys, client_order_ids, fee_rates, equity_samples, "
        "account_growth, competitions, competition_securities, competition_teams, invites",
        "UPDATE ON competitions",
        "UPDATE (client_id) ON invites",
        # All columns: changing fees locks the accounts, for which a right to some columns is not enough.
        "UPDATE ON accounts, account_growth",
        "UPDATE (shares, borrowed, sold_cents) ON holdings",
        "UPDATE (revoked_us) ON api_keys",
        "UPDATE (is_shared) ON client_order_ids",
        "UPDATE (maker_fee_ppm, taker_fee_ppm) ON securities",
        "DELETE ON equity_samples, api_keys, client_order_ids",
    ),
    "streams": (
        "SELECT ON api_keys, securities, last_prices, accounts, holdings, ledger, executions, shards, "
        "published_marks, account_growth, stream_processes, disconnect_promises",
        "USAGE, SELECT ON SEQUENCE order_ids",
        "INSERT, DELETE ON stream_processes, disconnect_promises",
        "UPDATE (beat) ON stream_processes",
    ),
    "order_entry": (
        "SELECT ON accounts, holdings, securities, last_prices, shards, orders, open_orders, pending_replaces, "
        "client_order_ids, order_log, denials, cancel_marks, waiting_replaces, competition_securities",
        "USAGE, SELECT ON SEQUENCE order_ids",
        "INSERT ON orders, open_orders, pending_replaces, order_log, denials, cancel_marks, waiting_replaces",
        "UPDATE (held_cents, open_orders, sells_short, buy_in_tried_us) ON accounts",
        "UPDATE (held, located) ON holdings",
        "UPDATE (last_seq) ON shards",
        "INSERT ON securities, last_prices, holdings, ledger, fee_rates",
        "UPDATE ON securities, trading_day",
        "SELECT ON trading_day",
        "UPDATE (expires_us) ON open_orders",
        "UPDATE (largest_quantity, largest_hold_cents, fee_ppm, owned_quantity, margin_price_cents, buy_in) ON orders",
        "UPDATE ON cancel_marks",
        "DELETE ON cancel_marks, waiting_replaces",
        "SELECT, INSERT, UPDATE, DELETE ON suspects",
    ),
    "matching": (
        "SELECT ON securities, last_prices, shards, order_log, snapshots, published_marks, security_moves",
        "INSERT, UPDATE, DELETE ON snapshots",
        "INSERT, UPDATE ON published_marks",
    ),
    "order_execution": (
        "SELECT ON accounts, holdings, securities, last_prices, orders, open_orders, pending_replaces, executions, "
        "ledger, fee_rates, coverage, short_sales",
        "INSERT ON executions, ledger, holdings, open_orders, coverage, short_sales",
        "UPDATE (kind, reason) ON executions",
        "UPDATE (balance_cents, held_cents, open_orders, collateral_cents, fund_cents, buy_in_us, "
        "buy_in_tried_us) ON accounts",
        "UPDATE (shares, held, borrowed, located, sold_cents) ON holdings",
        "UPDATE (event_id, price_cents) ON last_prices",
        "UPDATE (phase, phase_cause, phase_ends_us, phase_event_id, settlement_event_id) ON securities",
        "UPDATE ON orders",
        "UPDATE ON coverage",
        "DELETE ON open_orders, pending_replaces, coverage",
    ),
    "catch_up": (
        "SELECT ON shards, securities, last_prices, order_log, snapshots, published_marks, executions, orders, "
        "denials, coverage",
        "INSERT ON coverage",
    ),
    # Whatever moves money or phases, it asks of the api.
    "referee": (
        "SELECT ON competitions, competition_securities, competition_teams, round_results, competition_samples, "
        "competition_news, accounts, holdings, securities, last_prices, coverage, orders, open_orders, ledger",
        "INSERT ON round_results, competition_samples, competition_news",
        "UPDATE ON competitions",
        "UPDATE (value_cents) ON competition_securities",
    ),
}
_MARKET_DATA: Mapping[str, tuple[str, ...]] = {
    "api": ("SELECT ON ALL TABLES IN SCHEMA public", "INSERT ON news"),
    "streams": ("SELECT ON ALL TABLES IN SCHEMA public",),
    "data_feed": (
        "SELECT ON ALL TABLES IN SCHEMA public",
        "INSERT ON report_stamps, report_runs, order_reports, trade_reports, settlement_reports, prices, coverage",
        "INSERT, UPDATE ON report_heads, report_securities, candles, books, phases, auctions",
        "UPDATE (buyer_sequence, seller_sequence, stamp) ON trade_reports",
        "USAGE ON SEQUENCE report_stamp_numbers",
        "INSERT, UPDATE, DELETE ON book_levels",
        "UPDATE, DELETE ON coverage",
        "EXECUTE ON FUNCTION make_day(text, integer, bigint)",
    ),
    "catch_up": ("SELECT ON ALL TABLES IN SCHEMA public", "INSERT ON coverage"),
    "scheduler": (
        "SELECT ON order_reports_default, settlement_reports_default, trade_reports_default",
        "SELECT ON report_runs_default, report_stamps_default, prices_default, candles_1s_default",
        "EXECUTE ON FUNCTION drop_day(text, text, bigint, bigint, bigint, integer)",
    ),
}
RIGHTS = {"CLEARING_DATA_URL": _CLEARING_DATA, "MARKET_DATA_URL": _MARKET_DATA}

USERS = tuple(dict.fromkeys(user for rights in RIGHTS.values() for user in rights))

# The advisory lock under which one process at a time makes the users; the number is arbitrary.
_LOCK = 7_266_002
# Autovacuum may have changed the same row of the catalogue at the same moment.
_ATTEMPTS = 10


def make_users(server_url: str, passwords: Mapping[str, str]) -> None:
    """Make or change the users, which may connect to no database yet.

    server_url  address of any database of the server, as its owner
    passwords   by user
    """
    server = make_url(server_url).set(database="postgres")
    database = Database(server.render_as_string(hide_password=False), application_name="migrate")
    try:
        with database.transaction() as tx:
            tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            for user, password in passwords.items():
                _make_user(tx, user, password)
    finally:
        database.engine.dispose()


def grant(database_url: str, variable: str, users: Mapping[str, object]) -> None:
    """Grant the users their rights in a database, and revoke all others.

    variable  CLEARING_DATA_URL or MARKET_DATA_URL
    users     the existing users
    """
    database = Database(database_url, application_name="migrate")
    try:
        for attempt in range(_ATTEMPTS):
            try:
                with database.transaction() as tx:
                    tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
                    _grant(tx, {user: RIGHTS[variable].get(user, ()) for user in users})
                return
            except DBAPIError as fault:
                if "concurrently updated" not in str(fault.orig) or attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(0.1)
    finally:
        database.engine.dispose()


def url_of(user: str, database_url: str, password: str) -> str:
    """Return the address of a database for a user."""
    parts = urlsplit(database_url)
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{user}:{password}@{place}"))


def urls_of(user: str, urls: Mapping[str, str], password: str) -> dict[str, str]:
    """Return the addresses, by variable, of the databases in which a user has rights."""
    return {variable: url_of(user, urls[variable], password) for variable, rights in RIGHTS.items() if user in rights}


def _make_user(tx: Connection, user: str, password: str) -> None:
    known = tx.execute(text("SELECT FROM pg_roles WHERE rolname = :user"), {"user": user}).first()
    verb = "ALTER" if known is not None else "CREATE"
    _run(
        tx,
        sql.SQL(
            f"{verb} ROLE {{}} LOGIN PASSWORD {{}} NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
        ).format(sql.Identifier(user), sql.Literal(password)),
    )


def _grant(tx: Connection, rights: Mapping[str, tuple[str, ...]]) -> None:
    database = sql.Identifier(tx.execute(text("SELECT current_database()")).scalar_one())
    _run(tx, sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
    _run(tx, sql.SQL("REVOKE ALL ON SCHEMA public FROM PUBLIC"))
    for user, granted in rights.items():
        name = sql.Identifier(user)
        _run(tx, sql.SQL("REVOKE ALL ON DATABASE {} FROM {}").format(database, name))
        for kind in ("TABLES", "SEQUENCES", "FUNCTIONS"):
            _run(tx, sql.SQL(f"REVOKE ALL ON ALL {kind} IN SCHEMA public FROM {{}}").format(name))
        if granted:
            _run(tx, sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, name))
            _run(tx, sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(name))
        for right in granted:
            _run(tx, sql.SQL(f"GRANT {right} TO {{}}").format(name))


def _run(tx: Connection, statement: sql.Composable) -> None:
    driver = tx.connection.driver_connection
    assert isinstance(driver, psycopg2.extensions.connection)
    with driver.cursor() as cursor:
        cursor.execute(statement)
