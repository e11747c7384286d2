"""A polling client may send two requests at once; it is one reader of its reports."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import create_autospec

import gevent
import pytest
from flask_socketio import SocketIO

from api.request.listing import Listing
from api.streams import channels
from api.streams.channels import Channels
from api.streams.clients.cancel_on_disconnect import CancelOnDisconnect
from api.streams.clients.caps import Caps
from api.streams.clients.key_watch import KeyWatch
from api.streams.feed.announcements import Announcements
from api.streams.feed.private import PrivateStreams
from api.streams.sockets.socketio_rooms import SocketIORooms
from db.connect import Database


def test_a_client_that_subscribes_twice_at_once_leaves_no_reader_behind(
    market_data: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "_connection", lambda: "connection")
    rooms = create_autospec(SocketIORooms)
    private = PrivateStreams(rooms, market_data, create_autospec(Announcements))
    others: list[Any] = [create_autospec(kind) for kind in (KeyWatch, CancelOnDisconnect, Caps)]
    server: Any = create_autospec(SocketIO)
    streams = Channels(server, rooms, market_data, create_autospec(Listing), {}, [], private, *others)
    streams._identities["connection"] = SimpleNamespace(role="client", client_id="ANN")  # type: ignore[assignment]
    gevent.joinall([gevent.spawn(streams._subscribe_reports) for _ in range(2)], raise_error=True)
    assert private.sequences() == {"ANN": 0}
    streams._leave_reports()
    assert private.sequences() == {}
