"""Engines, transactions and COPY for both databases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import msgspec
import psycopg2
from sqlalchemy import Connection, Dialect, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

_READ_ONLY = "25006"

# The rows that a stage looks up by key are in memory. With these settings Postgres does not read a whole table instead
# of 500 of its rows, which would take twice as long, and never compiles a query that runs for a few milliseconds. It
# plans a prepared statement once for each connection: planning order entry's look for each batch took as long as the
# look itself. So such a statement names rows by keys, and its plan is good for any number of them.
_PLANNER = "-c random_page_cost=1.1 -c jit=off -c plan_cache_mode=force_generic_plan"

# Without these settings a worker would wait two hours for an answer that a broken network has lost. With them it gives
# up a host that is silent for about ten seconds, whether it waits for an answer or not [s; s; probes; ms].
_NETWORK = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 11_000}


class Database:
    """One of the two databases, as one process uses it.

    try_first  test a connection before each transaction, so that a request does not fail because Postgres was restarted
               in between; it costs a round trip, and a stage simply retries its batch
    statement_timeout_s
               Postgres ends a statement that takes longer; a client that has closed its connection cannot end it
    idle_s     Postgres ends a transaction that has no statement for this long, and with it its locks: the process is
               paused, or its host is gone
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 1,
        application_name: str = "",
        try_first: bool = False,
        statement_timeout_s: float | None = None,
        idle_s: float | None = None,
    ) -> None:
        options = _PLANNER
        if statement_timeout_s is not None:
            options += f" -c statement_timeout={round(1e3 * statement_timeout_s)}"
        if idle_s is not None:
            options += f" -c idle_in_transaction_session_timeout={round(1e3 * idle_s)}"
        self.engine: Engine = create_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            pool_pre_ping=try_first,
            pool_timeout=4,
            hide_parameters=True,  # an error shows no client's data
            connect_args={"connect_timeout": 4, "application_name": application_name, "options": options, **_NETWORK},
        )
        event.listen(self.engine, "do_connect", _Servers().connect)

    def forget_connections(self) -> None:
        """Leave the connections to the process that opened them, and open new ones; for a forked process."""
        self.engine.dispose(close=False)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Open a transaction that commits at the end of the block, and rolls back if it raises.

        A connection to a read-only server, such as a former primary, is not used again.
        """
        with self.engine.begin() as tx:
            try:
                yield tx
            except (psycopg2.Error, DBAPIError) as fault:
                if is_read_only(fault):
                    tx.invalidate()
                raise

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Open a read-only transaction that sees one state of the database throughout."""
        with self.engine.connect().execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True) as tx:
            yield tx


class _Servers:
    """The order in which the servers of an address are asked.

    libpq asks them in the order of the address, and waits seconds for a server whose host is gone; the api gives up
    before it would ask the next one. So each attempt begins with the server that accepted the last connection, and
    while an attempt is under way, another one begins with the next server.
    """

    def __init__(self) -> None:
        self._first = 0

    def connect(self, dialect: Dialect, _: object, arguments: Sequence[Any], options: dict[str, Any]) -> Any:
        """Open a connection; for SQLAlchemy's event `do_connect`."""
        names, ports = options.get("host", "").split(","), str(options.get("port", "")).split(",")
        servers = list(zip(names, ports, strict=False))
        if len(servers) < 2:
            return dialect.connect(*arguments, **options)
        first = self._first % len(servers)
        self._first = first + 1
        in_turn = [*servers[first:], *servers[:first]]
        listed = {"host": ",".join(name for name, _ in in_turn), "port": ",".join(port for _, port in in_turn)}
        connection = dialect.connect(*arguments, **options | listed)
        accepted = connection.info.host, str(connection.info.port)
        self._first = servers.index(accepted) if accepted in servers else first
        return connection


def is_read_only(fault: BaseException) -> bool:
    """Return whether a server refused a write, as a former primary does."""
    cause = fault.orig if isinstance(fault, DBAPIError) else fault
    return getattr(cause, "pgcode", None) == _READ_ONLY


def copy_rows(
    tx: Connection,
    table: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object] | msgspec.Struct],
    constants: Mapping[str, object] | None = None,
) -> None:
    """COPY rows into a table, three times as fast as INSERT.

    rows       sequences or array-like Structs of integers, booleans, None, and strings without control characters
    constants  columns with the same value in all rows
    raises     psycopg2.errors.UniqueViolation  a row exists already
               ValueError                       a control character in a string
    """
    constants = constants or {}
    driver: Any = tx.connection.driver_connection
    with driver.cursor() as cursor:
        cursor.copy_expert(
            f"COPY {table} ({', '.join((*columns, *constants))}) FROM STDIN (FORMAT csv, NULL 'null', ESCAPE '\\')",
            BytesIO(_csv(rows, list(constants.values()))),
            size=1 << 20,
        )


_json_lines = msgspec.json.Encoder().encode_lines


def _csv(rows: Iterable[Sequence[object] | msgspec.Struct], constants: Sequence[object]) -> bytes:
    """Return rows as CSV with the escapes of JSON, each followed by the constants.

    A row in JSON without its brackets is a row in CSV, and msgspec writes JSON in a fifth of the time in which Python
    assembles a row. A raw line feed occurs only between two rows; COPY understands two of JSON's escapes.
    """
    lines = _json_lines(rows)
    if not lines:
        return b""
    behind = b"," + msgspec.json.encode(constants)[1:-1] if constants else b""
    text = lines.replace(b"]\n[", behind + b"\n")[1:-2] + behind
    refuse_control_characters(text)
    return text


def refuse_control_characters(text: bytes) -> None:
    """Raise ValueError if a string in this JSON contains an escaped character other than `"` and `\\`."""
    if b"\\" in text and b"\\" in text.replace(b"\\\\", b"").replace(b'\\"', b""):
        raise ValueError("a control character in a string")
