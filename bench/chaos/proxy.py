"""A TCP proxy in front of a real service: a network that hangs, breaks, refuses or delays on demand.

It understands enough of AMQP to find RabbitMQ's confirms of published messages, so that it can delay or drop only
these, and enough of Postgres' protocol to find a COMMIT. To the service and its client it is the network.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Literal, Self
from urllib.parse import urlsplit, urlunsplit

_READ_BYTES = 65_536

# AMQP 0-9-1, 2.3.5: type, channel and size before the payload of a frame, one byte after it.
_HEAD = struct.Struct("!BHI")
_END_BYTES = 1
_METHOD_FRAME = 1
# The class and method of a broker's answer to a published message: basic.ack and basic.nack.
_CONFIRMS = {struct.pack("!HH", 60, 80), struct.pack("!HH", 60, 120)}
# PostgreSQL, 55.7: the end of a simple query whose last statement is this.
_COMMIT = b"COMMIT\0"

Frames = Callable[[bytes], list[tuple[bytes, bool]]]
Confirms = Literal["pass", "hold", "swallow"]


def through(url: str, proxy: Proxy) -> str:
    """Return the address of a service through its proxy."""
    parts = urlsplit(url)
    login, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{login}{at}127.0.0.1:{proxy.port}"))


class Proxy:
    """Forwards connections to a service inside the block, from a thread of its own."""

    def __init__(self, host: str, port: int) -> None:
        self._service = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True, name=f"proxy of port {port}")
        self._listens = threading.Event()
        self._flows = asyncio.Event()
        self._flows.set()
        self._confirms: Confirms = "pass"
        self._loses_commits = False
        self._ways: set[asyncio.StreamWriter] = set()
        self._late: list[tuple[asyncio.StreamWriter, bytes]] = []

    @classmethod
    def before(cls, url: str) -> Proxy:
        """Return a proxy in front of the service at an address."""
        parts = urlsplit(url)
        return cls(str(parts.hostname), int(parts.port or 0))

    # -- faults ------------------------------------------------------------------------------------------------------

    def hang(self) -> None:
        """Keep all connections and accept new ones, but forward nothing."""
        self._do(self._flows.clear)

    def go_on(self) -> None:
        """Accept and forward everything again."""
        self._do(self._flows.set)
        if not self._server.is_serving():
            listener = socket.create_server(("127.0.0.1", self.port))
            asyncio.run_coroutine_threadsafe(self._listen(listener), self._loop).result()

    def cut(self) -> None:
        """Break all connections; accept new ones."""
        self._do(self._break_all)

    def refuse(self) -> None:
        """Break all connections, and refuse new ones from now on."""
        self._do(self._stop_listening)
        self._do(self._break_all)

    def hold_confirms(self) -> None:
        """Hold RabbitMQ's confirms back; forward everything else."""
        self._confirms = "hold"

    def swallow_confirms(self) -> None:
        """Drop RabbitMQ's confirms; forward everything else."""
        self._confirms = "swallow"

    def lose_commits(self) -> None:
        """Forward each COMMIT to Postgres, and break its connection before the answer."""
        self._loses_commits = True

    def keep_commits(self) -> None:
        """Stop breaking connections at COMMIT."""
        self._loses_commits = False

    def release_confirms(self) -> None:
        """Send the held confirms on connections that still exist, and forward new ones again."""
        self._confirms = "pass"
        self._do(self._send_late)

    @property
    def held_confirms(self) -> int:
        """The number of held confirms."""
        return len(self._late)

    # -- in the proxy's own thread -----------------------------------------------------------------------------------

    def _do(self, action: Callable[[], None]) -> None:
        """Run an action in the proxy's thread, and return after it."""
        done = threading.Event()

        def act() -> None:
            action()
            # The loop closes a broken connection in its next round.
            self._loop.call_soon(done.set)

        self._loop.call_soon_threadsafe(act)
        done.wait()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen(self._listener))
        self._listens.set()
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _listen(self, listener: socket.socket) -> None:
        self._server = await asyncio.start_server(self._serve, sock=listener)

    def _stop_listening(self) -> None:
        self._server.close()

    def _break_all(self) -> None:
        for way in self._ways:
            way.transport.abort()

    def _send_late(self) -> None:
        late, self._late = self._late, []
        for way, frame in late:
            if not way.is_closing():
                way.write(frame)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._ways.add(writer)
        try:
            await self._flows.wait()
            service_reader, service_writer = await asyncio.open_connection(*self._service)
        except OSError:
            writer.transport.abort()
            self._ways.discard(writer)
            return
        self._ways.add(service_writer)
        directions = {
            asyncio.create_task(self._ask(reader, service_writer, writer)),
            asyncio.create_task(self._answer(service_reader, writer)),
        }
        try:
            _, other = await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
            for direction in other:
                direction.cancel()
        finally:
            for way in (writer, service_writer):
                with suppress(OSError):
                    way.close()
                self._ways.discard(way)

    async def _ask(
        self, client: asyncio.StreamReader, service: asyncio.StreamWriter, answers: asyncio.StreamWriter
    ) -> None:
        """Forward the client's bytes."""
        with suppress(OSError):
            while part := await client.read(_READ_BYTES):
                await self._flows.wait()
                if self._loses_commits and part.endswith(_COMMIT):
                    answers.transport.abort()
                service.write(part)
                await service.drain()

    async def _answer(self, service: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        """Forward the service's bytes."""
        frames = frames_of()
        with suppress(OSError):
            while part := await service.read(_READ_BYTES):
                await self._flows.wait()
                client.write(self._without_confirms(frames, part, client))
                await client.drain()

    def _without_confirms(self, frames: Frames, part: bytes, writer: asyncio.StreamWriter) -> bytes:
        passing = []
        for frame, is_confirm in frames(part):
            if not is_confirm or self._confirms == "pass":
                passing.append(frame)
            elif self._confirms == "hold":
                self._late.append((writer, frame))
        return b"".join(passing)

    def __enter__(self) -> Self:
        self._thread.start()
        self._listens.wait()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self._do(self._stop_listening)
        self._do(self._break_all)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


def frames_of() -> Frames:
    """Return a function that splits the bytes of one connection from a broker into frames.

    The function takes the next bytes and returns the completed frames, each with whether it confirms a published
    message. It returns bytes that are not AMQP unchanged.
    """
    begun = b""
    is_amqp: bool | None = None

    def take(part: bytes) -> list[tuple[bytes, bool]]:
        nonlocal begun, is_amqp
        data = begun + part
        begun = b""
        if is_amqp is None:
            # A broker first sends a method, connection.start, on channel 0.
            is_amqp = data.startswith(b"\x01\0\0"[: len(data)])
            if is_amqp and len(data) < _HEAD.size:
                is_amqp = None
        if is_amqp is False:
            return [(data, False)]
        found = []
        at = 0
        while len(data) >= at + _HEAD.size:
            kind, _, size = _HEAD.unpack_from(data, at)
            end = at + _HEAD.size + size + _END_BYTES
            if len(data) < end:
                break
            payload = at + _HEAD.size
            found.append((data[at:end], kind == _METHOD_FRAME and data[payload : payload + 4] in _CONFIRMS))
            at = end
        begun = data[at:]
        return found

    return take
