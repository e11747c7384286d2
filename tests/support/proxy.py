"""A TCP proxy before a real service: a network that hangs, breaks or refuses, when a test wants it to."""

from __future__ import annotations

import selectors
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

POLL_S = 0.05


class Proxy:
    """Forwards connections to a service; the service itself notices nothing but the network."""

    def __init__(self, host: str, port: int) -> None:
        self._service = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._flows = threading.Event()
        self._flows.set()
        self._ended = threading.Event()
        self._ways: list[socket.socket] = []

    def hang(self) -> None:
        """Keep all connections and take new ones, and let no byte through."""
        self._flows.clear()

    def go_on(self) -> None:
        """Let everything through again."""
        self._flows.set()

    def refuse(self) -> None:
        """Break all connections, and refuse new ones for good."""
        for way in (self._listener, *self._ways):
            # A close alone would leave the socket open as long as another thread waits for it.
            with suppress(OSError):
                way.shutdown(socket.SHUT_RDWR)
            way.close()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._flows.set()
        self.refuse()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                client, _ = self._listener.accept()
                self._flows.wait()
                service = socket.create_connection(self._service)
            except OSError:
                return
            self._ways += [client, service]
            threading.Thread(target=self._forward, args=(client, service), daemon=True).start()

    def _forward(self, client: socket.socket, service: socket.socket) -> None:
        with selectors.DefaultSelector() as readable, client, service:
            readable.register(client, selectors.EVENT_READ, service)
            readable.register(service, selectors.EVENT_READ, client)
            while not self._ended.is_set():
                try:
                    ready = readable.select(POLL_S)
                    self._flows.wait()
                    for key, _ in ready:
                        part = key.fileobj.recv(65_536)  # type: ignore[union-attr]  # a socket
                        if not part:
                            return
                        key.data.sendall(part)
                except (OSError, ValueError):
                    return
