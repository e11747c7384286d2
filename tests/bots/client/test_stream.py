"""A stream survives connections that end, hang or are refused for a while, and stops when its key is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Event, Thread
from typing import Any

import pytest
from simple_websocket import ConnectionClosed, Server
from werkzeug import Request, Response
from werkzeug.serving import make_server

from bots.client import Client
from bots.client.stream import PlainConversation, messages
from bots.errors import Problem

Serve = Callable[[Server], None]

# How soon a server sees that it is to stop; by default half a second.
STOPS_WITHIN_S = 0.02


class ScriptedStreams:
    """Serves each WebSocket connection, in turn, as the test says; a number instead refuses it with that status."""

    def __init__(self) -> None:
        self.connections: list[Serve | int] = []
        self.requests: list[Request] = []
        self.server = make_server("127.0.0.1", 0, self, threaded=True)
        self.url = f"http://127.0.0.1:{self.server.port}"

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        self.requests.append(Request(environ))
        serve = self.connections.pop(0)
        if isinstance(serve, int):
            problem = f'{{"title": "no", "status": {serve}, "detail": "no", "code": "unauthorized"}}'
            return Response(problem, status=serve, content_type="application/problem+json")(environ, start_response)
        socket = Server.accept(environ)
        with suppress(ConnectionClosed):  # the client has left
            serve(socket)
        return []


@pytest.fixture
def streams() -> Iterator[ScriptedStreams]:
    scripted = ScriptedStreams()
    Thread(target=scripted.server.serve_forever, args=[STOPS_WITHIN_S], daemon=True).start()
    yield scripted
    scripted.server.shutdown()


def sends(*texts: str) -> Serve:
    def serve(socket: Server) -> None:
        for text in texts:
            socket.send(text)
        socket.close()

    return serve


def address(streams: ScriptedStreams) -> str:
    return "ws" + streams.url.removeprefix("http") + "/stream/report"


def test_goes_on_after_the_connection_ended_or_was_refused_for_a_while(streams: ScriptedStreams) -> None:
    streams.connections = [sends("1", "2"), 503, 429, sends("3")]
    stream = messages(address(streams), key="the-key", conversation=PlainConversation)
    assert [next(stream) for _ in range(3)] == [b"1", b"2", b"3"]
    assert {request.headers["Authorization"] for request in streams.requests} == {"Bearer the-key"}
    stream.close()


def test_a_silent_connection_is_kept_while_it_answers_and_given_up_when_it_does_not(streams: ScriptedStreams) -> None:
    over = Event()

    def sends_late(socket: Server) -> None:
        socket.send("early")
        assert socket.receive(timeout=1.0) is None  # three silences long; the library answers pings meanwhile
        socket.send("late")
        socket.close()

    def hangs(socket: Server) -> None:
        socket.send("first")
        socket.sock.recv = lambda size: over.wait(10) and b""  # reads no ping any more
        over.wait(10)

    streams.connections = [sends_late, hangs, sends("second")]
    stream = messages(address(streams), key=None, conversation=PlainConversation, silence_s=0.3)
    assert [next(stream) for _ in range(4)] == [b"early", b"late", b"first", b"second"]
    assert len(streams.requests) == 3
    over.set()
    stream.close()


def test_a_refused_key_raises_its_problem(streams: ScriptedStreams) -> None:
    streams.connections = [401]
    with pytest.raises(Problem) as raised:
        next(Client(streams.url, "wrong").reports())
    assert (raised.value.status, raised.value.code) == (401, "unauthorized")


def test_messages_are_decoded(streams: ScriptedStreams) -> None:
    streams.connections = [
        sends('{"security_id":"MSFT","bid":99.83,"ask":100.49,"timestamp":"1685104715","sequence":7}')
    ]
    price = next(Client(streams.url).prices("MSFT"))
    assert (str(price.bid), str(price.ask), price.sequence) == ("99.83", "100.49", 7)
    assert streams.requests[0].full_path == "/stream/price?security_id=MSFT"
