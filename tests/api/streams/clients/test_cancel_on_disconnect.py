"""Clients that ask for it lose all open orders together with the connection, however it ends."""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kombu import Connection
from sqlalchemy import text
from websocket import ABNF, WebSocket, WebSocketBadStatusException, WebSocketConnectionClosedException

from bench.chaos.proxy import Proxy, through
from celery_app.settings import settings
from celery_app.topology import ORDER_ENTRY
from db.clearing_data.clients.keys import make_key
from db.connect import Database
from tasks.messages import MassCancelRequest
from tests.api.conftest import queued
from tests.api.streams.conftest import Keys
from tests.support import broker
from tests.support.streams import Refused, SocketIOClient, Streams, wait_until
from tests.support.web import Api, WebProcess, running_api

pytestmark = pytest.mark.usefixtures("market_data")


@pytest.fixture
def run_directory() -> Iterator[Path]:
    """Return a folder that successive streams processes share; the path of a Unix socket has to be short."""
    with tempfile.TemporaryDirectory(prefix="run-") as directory:
        yield Path(directory)


@pytest.fixture
def queues(broker_url: str) -> Iterator[Connection]:
    """Return a connection to RabbitMQ with empty queues."""
    with broker.empty_queues(broker_url) as connection:
        yield connection


def _promises(run_directory: Path) -> set[str]:
    """Return the clients to which the streams of a run directory have made a promise."""
    query = text("SELECT client_id FROM disconnect_promises WHERE process LIKE '%' || :directory || '%'")
    database = Database(settings().clearing_data_url.get_secret_value())
    with database.snapshot() as tx:
        found = set(tx.execute(query, {"directory": run_directory.name}).scalars())
    database.engine.dispose()
    return found


def _assert_cancelled(queues: Connection, run_directory: Path, client_id: str) -> None:
    """Check that one message cancels the client's orders on every shard, and that no promise is left."""
    (requests,) = queued(queues)
    cancels = [request for request in requests if isinstance(request, MassCancelRequest)]
    assert len(requests) == len(cancels)
    assert {cancel.client_id for cancel in cancels} == {client_id}
    assert [cancel.shard for cancel in cancels] == list(range(settings().shards))
    assert len({cancel.command_id for cancel in cancels}) == len(cancels)
    wait_until(lambda: _promises(run_directory) == set())
    assert broker.depth(queues, ORDER_ENTRY) == 0


def _raw(streams: Streams, key: str, asked: str = "true") -> WebSocket:
    return streams.raw(f"/stream/report?api_key={key}&cancel_on_disconnect={asked}")


def _close(client: WebSocket) -> None:
    client.close()


def _drop(client: WebSocket) -> None:
    client.shutdown()


@pytest.mark.parametrize("end", [_close, _drop])
def test_a_raw_stream_that_ends(
    api_keys: Keys, run_directory: Path, queues: Connection, end: Callable[[WebSocket], None]
) -> None:
    with Streams(environment={"RUN_DIRECTORY": str(run_directory)}) as streams:
        client, other = _raw(streams, api_keys.flood), _raw(streams, api_keys.gauss)
        assert _promises(run_directory) == {"FLOOD", "GAUSS"}
        end(client)
        (requests,) = queued(queues)
        assert {getattr(request, "client_id", None) for request in requests} == {"FLOOD"}
        wait_until(lambda: _promises(run_directory) == {"GAUSS"})
        other.close()
        _assert_cancelled(queues, run_directory, "GAUSS")


# The client library does not always send a close packet over polling; then only the time-out ends the session.
@pytest.mark.parametrize("transports", [("websocket",), ("polling", "websocket")])
def test_a_socketio_connection_that_ends(
    api_keys: Keys, run_directory: Path, queues: Connection, transports: tuple[str, ...]
) -> None:
    with Streams(environment={"RUN_DIRECTORY": str(run_directory)}) as streams:
        auth = {"api_key": api_keys.flood, "cancel_on_disconnect": True}
        client = streams.socketio(auth, transports=transports)
        assert _promises(run_directory) == {"FLOOD"}
        client.close()
        _assert_cancelled(queues, run_directory, "FLOOD")


def test_clients_that_did_not_ask_keep_their_orders(api_keys: Keys, run_directory: Path, queues: Connection) -> None:
    with Streams(environment={"RUN_DIRECTORY": str(run_directory)}) as streams:
        streams.raw(f"/stream/report?api_key={api_keys.gauss}").close()
        _raw(streams, api_keys.gauss, "false").close()
        streams.socketio({"api_key": api_keys.gauss, "cancel_on_disconnect": False}).close()
        _raw(streams, api_keys.flood).close()  # what comes behind them is the first that cancels anything
        _assert_cancelled(queues, run_directory, "FLOOD")


@pytest.mark.parametrize(
    ("key", "asked", "status"), [("admin", "true", 422), ("flood", "1", 422), ("flood", "", 422), ("read", "true", 403)]
)
def test_invalid_requests_for_cancel_on_disconnect(
    idle_streams: Streams, clearing_data: Database, api_keys: Keys, key: str, asked: str, status: int
) -> None:
    with clearing_data.transaction() as tx:
        read_only = make_key(tx, "FLOOD", role="client", now_us=1, read_only=True)
    with pytest.raises(WebSocketBadStatusException) as refused:
        _raw(idle_streams, read_only if key == "read" else getattr(api_keys, key), asked)
    assert refused.value.status_code == status


@pytest.mark.parametrize(
    ("key", "asked", "status"),
    [("admin", True, 422), ("flood", "true", 422), ("flood", 1, 422), ("revoked", True, 401), (None, True, 401)],
)
def test_invalid_requests_for_cancel_on_disconnect_in_socketio(
    idle_streams: Streams, api_keys: Keys, key: str | None, asked: object, status: int
) -> None:
    auth = {"cancel_on_disconnect": asked} | ({"api_key": getattr(api_keys, key)} if key else {})
    with pytest.raises(Refused) as refused:
        idle_streams.socketio(auth)
    assert refused.value.args[0][0]["data"]["status"] == status


def test_rabbitmq_away_when_the_connection_ends(
    api_keys: Keys, run_directory: Path, broker_url: str, queues: Connection
) -> None:
    with Proxy.before(broker_url) as proxy:
        environment = {
            "RUN_DIRECTORY": str(run_directory),
            "BROKER_URL": through(broker_url, proxy),
            "CONFIRM_TIMEOUT_S": "1",
        }
        with Streams(environment=environment) as streams:
            client = _raw(streams, api_keys.flood)
            proxy.hang()
            before_us = time.time_ns() // 1_000
            client.close()
            wait_until(lambda: "cancels_delayed" in streams.log)
            delayed_us = time.time_ns() // 1_000
            assert _promises(run_directory) == {"FLOOD"}
            proxy.go_on()
            (requests,) = queued(queues)
            assert {getattr(request, "client_id", None) for request in requests} == {"FLOOD"}
            # It cancels what came before the end of the connection, however late it is queued.
            assert {before_us < request.received_us < delayed_us for request in requests} == {True}
            wait_until(lambda: _promises(run_directory) == set())


# -- when the streams themselves end -------------------------------------------------------------------------------


class _Exchange:
    """An api with its own streams process, which tests may kill and start again."""

    def __init__(self, api: Api, run_directory: Path) -> None:
        self.api = api
        self.streams = WebProcess("api.streams", {"RUN_DIRECTORY": str(run_directory)})

    def connect(self, key: str) -> tuple[WebSocket, SocketIOClient]:
        """Open one connection of each kind for a client, both with cancel_on_disconnect."""
        from websocket import create_connection

        address = f"ws://127.0.0.1:{self.api.port}/stream/report?api_key={key}&cancel_on_disconnect=true"
        auth = {"api_key": key, "cancel_on_disconnect": True}
        return create_connection(address, timeout=10), SocketIOClient(self.api.url, auth, ("websocket",))


@pytest.fixture
def exchange(api_keys: Keys, run_directory: Path, queues: Connection) -> Iterator[_Exchange]:
    with running_api({"RUN_DIRECTORY": str(run_directory)}) as api:
        running = _Exchange(api, run_directory)
        running.streams.start("streams_ready")
        yield running
        running.streams.end()


def test_a_stop_of_the_streams_ends_their_connections(
    exchange: _Exchange, api_keys: Keys, run_directory: Path, queues: Connection
) -> None:
    exchange.connect(api_keys.flood)
    exchange.streams.end(signal.SIGTERM)
    assert "cancelled_on_disconnect" in exchange.streams.log
    (requests,) = queued(queues)
    assert {getattr(request, "client_id", None) for request in requests} == {"FLOOD"}
    assert _promises(run_directory) == set()
    exchange.streams.start("streams_ready")


def test_restarted_streams_keep_the_promises_of_killed_ones(
    exchange: _Exchange, api_keys: Keys, run_directory: Path, queues: Connection
) -> None:
    exchange.connect(api_keys.flood)
    exchange.streams.end(signal.SIGKILL)
    assert _promises(run_directory) == {"FLOOD"}
    assert broker.depth(queues, ORDER_ENTRY) == 0
    exchange.streams.start("streams_ready")
    _assert_cancelled(queues, run_directory, "FLOOD")


# -- when a process does not come back -----------------------------------------------------------------------------

_QUICKLY = {"api.streams.clients.cancel_on_disconnect.LOST_AFTER_S": 2.0}


def _has_ended(client: WebSocket) -> bool:
    try:
        return client.recv_data_frame(control_frame=True)[0] == ABNF.OPCODE_CLOSE
    except (WebSocketConnectionClosedException, OSError):
        return True


def test_another_process_keeps_the_promises_of_a_lost_one(
    api_keys: Keys, run_directory: Path, queues: Connection
) -> None:
    lost = Streams(environment={"RUN_DIRECTORY": str(run_directory / "lost")}, constants=_QUICKLY)
    heir = Streams(environment={"RUN_DIRECTORY": str(run_directory / "heir")}, constants=_QUICKLY)
    with heir, lost:
        client, other = _raw(lost, api_keys.flood), _raw(heir, api_keys.gauss)
        lost.signal(signal.SIGSTOP)
        (requests,) = queued(queues)
        assert {getattr(request, "client_id", None) for request in requests} == {"FLOOD"}
        wait_until(lambda: _promises(run_directory) == {"GAUSS"})
        # The process was not dead: it ends the connections whose promise it has lost.
        lost.signal(signal.SIGCONT)
        wait_until(lambda: _has_ended(client))
        other.ping("are you there")
        assert "promises_lost" in lost.log
        assert "promises_lost" not in heir.log
