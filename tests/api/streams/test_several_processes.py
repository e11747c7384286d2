"""Two api processes on one port, and two processes that serve streams: clients notice no difference."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from websocket import create_connection

from api.http import stream_figures
from db.clearing_data.clients.keys import revoke_key
from db.connect import Database
from tests.api.conftest import limit
from tests.api.streams.conftest import Keys
from tests.support import broker
from tests.support.databases import urls_of
from tests.support.side_by_side import free_port
from tests.support.streams import SocketIOClient, wait_until
from tests.support.web import Api, WebProcess

CLIENTS = 12


@dataclass(frozen=True)
class Front:
    """Both processes of each kind, behind one port."""

    api: Api
    streams: tuple[WebProcess, WebProcess]
    run_directory: Path

    def clients_of_each(self) -> list[int]:
        """Return how many clients each process with streams has reported."""
        found = (stream_figures.read(self.run_directory, place=place) for place in (1, 2))
        return [figures.clients if figures is not None else 0 for figures in found]


@pytest.fixture(scope="module")
def shared_front() -> Iterator[Front]:
    with tempfile.TemporaryDirectory(prefix="run-") as directory, ExitStack() as started:
        port = free_port()
        counts = {"RUN_DIRECTORY": directory, "API_WORKERS": "2", "STREAMS": "2", "API_PORT": str(port)}
        streams = tuple(WebProcess("api.streams", counts | urls_of("streams")) for _ in range(2))
        apis = tuple(WebProcess("api", counts | urls_of("api") | {"KEY_CACHE_S": "0.2"}) for _ in range(2))
        for process in (*streams, *apis):
            process.start("streams_ready" if process in streams else "api_listens")
            started.callback(process.end)
        yield Front(Api(apis[0], port), (streams[0], streams[1]), Path(directory))


@pytest.fixture
def front(shared_front: Front, clearing_data: Database, market_data: Database, broker_url: str) -> Iterator[Front]:
    """Return the processes on a new exchange."""
    with broker.empty_queues(broker_url):
        yield shared_front


def test_clients_of_all_kinds_come_through(front: Front) -> None:
    with ExitStack() as opened:
        for _ in range(CLIENTS):
            # Each request of a client that polls is a new connection, which the kernel deals to either api.
            polling = SocketIOClient(front.api.url, None, ("polling",))
            opened.callback(polling.close)
            subscribed = polling.ask("subscribe", {"channel": "price", "security_id": "MSFT"})
            assert subscribed == {"status": "success"}
            raw = create_connection(f"ws://127.0.0.1:{front.api.port}/stream/price?security_id=MSFT", timeout=10)
            opened.callback(raw.close)
        wait_until(lambda: sum(front.clients_of_each()) == 2 * CLIENTS)
        assert min(front.clients_of_each()) > 0


def test_a_revoked_key_is_refused_by_every_process(front: Front, api_keys: Keys, clearing_data: Database) -> None:
    def answers() -> set[int]:
        return {front.api.ask("GET", "/orders", key=api_keys.flood).status_code for _ in range(CLIENTS)}

    assert answers() == {200}
    with clearing_data.transaction() as tx:
        (key_id,) = tx.exec_driver_sql("SELECT max(key_id) FROM api_keys WHERE client_id = 'FLOOD'").one()
        revoke_key(tx, "FLOOD", key_id, now_us=5)
    wait_until(lambda: answers() == {401})


def test_an_order_on_its_way_is_known_to_every_process(front: Front, api_keys: Keys) -> None:
    placed = front.api.ask("POST", "/orders", key=api_keys.flood, json=limit()).json()
    path = f"/orders/MSFT/{placed['order_id']}"
    answers = [front.api.ask("GET", path, key=api_keys.flood) for _ in range(CLIENTS)]
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["status"] for answer in answers} == {"pending"}
    # What no order has is still known to be absent, and other clients' orders are hidden.
    assert front.api.ask("GET", "/orders/MSFT/999999", key=api_keys.flood).status_code == 404
    assert {front.api.ask("GET", path, key=api_keys.gauss).status_code for _ in range(CLIENTS)} == {404}


def test_a_client_whose_process_is_killed_continues_at_the_other(front: Front) -> None:
    address = f"ws://127.0.0.1:{front.api.port}/stream/price?security_id=MSFT"
    front.streams[0].end(signal.SIGKILL)
    for _ in range(4):
        stream = create_connection(address, timeout=10)
        stream.ping("are you there")
        stream.close()
    front.streams[0].start("streams_ready")
