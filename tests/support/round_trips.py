"""A Postgres behind a relay that counts the round trips to it."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from sqlalchemy.engine import make_url

from db.connect import Database

# Messages of Postgres for which a client waits: ready for a query, and ready for the rows of a COPY.
_WAITED_FOR = b"ZG"
_HEAD = struct.Struct(">cI")


class RoundTrips:
    """Counts the round trips over one connection."""

    def __init__(self) -> None:
        self.count = 0
        self._bytes = b""

    def see(self, arrived: bytes) -> None:
        """Count in bytes that Postgres has sent."""
        self._bytes += arrived
        while len(self._bytes) >= _HEAD.size:
            kind, size = _HEAD.unpack_from(self._bytes)
            if len(self._bytes) < 1 + size:
                return
            self.count += kind in _WAITED_FOR
            self._bytes = self._bytes[1 + size :]


@contextmanager
def counted(url: str) -> Iterator[tuple[Database, RoundTrips]]:
    """Give a database with one connection, and its round trips so far."""
    address = make_url(url)
    trips = RoundTrips()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        relay = Thread(target=_relay, args=(listener, (address.host, address.port or 5432), trips), daemon=True)
        relay.start()
        port = listener.getsockname()[1]
        plain = address.set(host="127.0.0.1", port=port, query={"sslmode": "disable", "gssencmode": "disable"})
        database = Database(plain.render_as_string(hide_password=False))
        try:
            yield database, trips
        finally:
            database.engine.dispose()
    relay.join()


def _relay(listener: socket.socket, server: tuple[str, int], trips: RoundTrips) -> None:
    client, _ = listener.accept()
    with client, socket.create_connection(server) as postgres:
        up = Thread(target=_pass_on, args=(client, postgres), daemon=True)
        up.start()
        while arrived := postgres.recv(1 << 16):
            trips.see(arrived)
            client.sendall(arrived)
        up.join()


def _pass_on(client: socket.socket, postgres: socket.socket) -> None:
    while sent := client.recv(1 << 16):
        postgres.sendall(sent)
    postgres.shutdown(socket.SHUT_WR)
