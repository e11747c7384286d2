"""The WSGI application of the process `streams`: raw WebSockets and Socket.IO."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gevent
import msgspec
import structlog
from flask import Flask, Response
from gevent import Greenlet, monkey
from msgspec import Raw
from werkzeug.exceptions import HTTPException

from api.http import stream_figures
from api.http.stream_figures import StreamFigures
from api.market import leaderboard
from api.orders.intake.mass_cancels import MassCancels
from api.orders.intake.queue import OrderQueue
from api.request.addresses import Proxies
from api.request.databases import writing
from api.request.listing import Listing
from api.streams import raw
from api.streams.channels import Channels
from api.streams.clients.cancel_on_disconnect import CancelOnDisconnect
from api.streams.clients.caps import Caps
from api.streams.clients.key_watch import KeyWatch
from api.streams.feed import pipeline
from api.streams.feed.announcements import Announcements
from api.streams.feed.board import Board
from api.streams.feed.candles import CandleStreams
from api.streams.feed.day import CHANNELS as CHANNELS_OF_DAY
from api.streams.feed.day import DayStreams
from api.streams.feed.listener import Listener
from api.streams.feed.news import NewsStream
from api.streams.feed.pipeline import Pipeline
from api.streams.feed.private import PrivateStreams
from api.streams.feed.public import CHANNELS, PublicStreams
from api.streams.sockets.fanout import Fanout
from api.streams.sockets.rooms import room_of
from api.streams.sockets.socketio_rooms import SocketIORooms, name_sessions, socketio_server
from api.streams.sockets.websocket import NOT_A_WEBSOCKET
from api.wire.answers import our_fault, problem_answer
from api.wire.outgoing import time_of
from api.wire.problems import Problem, not_found
from celery_app.clock import now_us
from celery_app.settings import Settings
from celery_app.settings import settings as settings_of_process
from db.clearing_data.clients.trade_counts import TradeCounts
from db.clearing_data.log.orders import next_order_ids
from db.connect import Database

log = structlog.get_logger()

# Connections to each database.
POOL_SIZE = 4
HEARTBEAT_S = 1.0

CANCELS = "cancel_on_disconnect"

# Time between two reports of the clients, for the metrics [s].
FIGURES_S = 2.0


def create_app(settings: Settings | None = None, *, place: int = 1) -> Flask:
    """Return the application; its greenlets listen to Redis for the life of the process.

    settings  by default those of this process
    place     number of this process among those of the host
    raises    RuntimeError  the process is not patched for gevent, so one slow client would delay all others
    """
    if not monkey.is_module_patched("socket"):
        raise RuntimeError("the streams run under gevent: call gevent.monkey.patch_all() before anything is imported")
    settings = settings or settings_of_process()
    clearing_data, market_data = (
        Database(url.get_secret_value(), pool_size=POOL_SIZE, application_name="streams", try_first=True)
        for url in (settings.clearing_data_url, settings.market_data_url)
    )
    listing = Listing(clearing_data)
    server = socketio_server(settings.allowed_origins)
    fanout = Fanout()
    rooms = SocketIORooms(server, fanout)
    redis_url = settings.redis_url.get_secret_value()
    public_streams = PublicStreams(rooms)
    private_streams = PrivateStreams(rooms, market_data, Announcements(redis_url))
    candle_streams, day_streams = CandleStreams(rooms), DayStreams(rooms, listing)
    look = Pipeline(clearing_data, market_data, flower=flower_url(settings))
    boards: list[Board | NewsStream] = [
        NewsStream(rooms, market_data),
        Board("leaderboard", rooms, partial(leaderboard.ranked, clearing_data, TradeCounts()), nothing=[]),
        Board("pipeline", rooms, look.read, nothing=pipeline.NOTHING, history=look.history),
    ]
    key_watch = KeyWatch(clearing_data, every_s=settings.key_cache_s)
    cancels = CancelOnDisconnect(
        clearing_data,
        f"{socket.gethostname()}:{settings.run_directory.resolve()}:{place}",
        MassCancels(listing, lambda count: _numbers(clearing_data, count), OrderQueue(), shards=settings.shards),
    )
    by_security: dict[str, Callable[[str], Raw]] = {
        **{channel: partial(public_streams.snapshot, channel) for channel in CHANNELS},
        "candles": candle_streams.snapshot,
        **{channel: partial(day_streams.snapshot, channel) for channel in CHANNELS_OF_DAY},
    }
    app = Flask(__name__, static_folder=None)
    server.init_app(app)
    name_sessions(server, place)
    rooms.serve_websockets()
    caps = Caps(
        app.wsgi_app,
        server.server.eio,
        address_of=partial(_address_of, Proxies(settings.trusted_proxies)),
        per_address=settings.max_connections_per_address,
        end=rooms.end,
    )
    app.wsgi_app = caps  # type: ignore[method-assign]
    channels = Channels(
        server,
        rooms,
        clearing_data,
        listing,
        by_security,
        boards,
        private_streams,
        key_watch,
        cancels,
        caps,
    )
    app.register_blueprint(
        raw.routes(
            fanout=fanout,
            listing=listing,
            clearing_data=clearing_data,
            public_streams=public_streams,
            private_streams=private_streams,
            key_watch=key_watch,
            cancels=cancels,
        )
    )
    app.register_error_handler(Problem, problem_answer)
    app.register_error_handler(HTTPException, _http_fault)
    app.register_error_handler(Exception, our_fault)

    listener = Listener(redis_url, market_data, public_streams, candle_streams, day_streams, private_streams)
    _spawn(listener.run)
    _spawn(private_streams.run)
    _spawn(private_streams.renew_announcements)
    for board in boards:
        _spawn(board.run)
    _spawn(channels.follow_listing)
    _spawn(key_watch.run)
    _spawn(cancels.run)
    _spawn(cancels.watch_others)
    _spawn(lambda: _report(settings.run_directory, place, caps, fanout))
    _spawn(lambda: _heartbeat(rooms, caps, public_streams, candle_streams, day_streams, boards, private_streams))
    app.extensions[CANCELS] = cancels
    return app


def flower_url(settings: Settings) -> str:
    """Return where this host's users reach Flower: on loopback, unless it listens on one other address."""
    host = settings.flower_reached_at
    return f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{settings.flower_port}"  # noqa: S104


def _address_of(proxies: Proxies, environ: dict[str, Any]) -> str:
    """Return the address of a request's client, as the proxies in front name it."""
    return proxies.client(environ["REMOTE_ADDR"], environ.get("HTTP_X_FORWARDED_FOR"))


def _numbers(clearing_data: Database, count: int) -> range:
    """Return ids for commands: the first ones of a new block, as they are seldom needed."""
    with writing(clearing_data) as tx:
        return next_order_ids(tx)[:count]


def finish(app: Flask) -> None:
    """Finish the promised cancels, at the end of the process."""
    app.extensions[CANCELS].finish()


def _heartbeat(
    rooms: SocketIORooms,
    caps: Caps,
    public_streams: PublicStreams,
    candle_streams: CandleStreams,
    day_streams: DayStreams,
    boards: Sequence[Board | NewsStream],
    private_streams: PrivateStreams,
) -> None:
    """Send a heartbeat with the last sequences to every Socket.IO client each second."""
    while True:
        gevent.sleep(HEARTBEAT_S)
        rooms.cut_off_slow()
        caps.end_idle()
        now = time_of(now_us())
        of_boards = {board.channel: board.sequence for board in boards}
        everyones = public_streams.sequences() | day_streams.sequences() | {"candles": candle_streams.sequences()}
        rooms.send("heartbeat", _beat(now, everyones | of_boards), None)
        for client_id, sequence in private_streams.sequences().items():
            rooms.send("heartbeat", _beat(now, {"report": sequence}), room_of("report", client_id))


def _report(run_directory: Path, place: int, caps: Caps, fanout: Fanout) -> None:
    """Write the figures of the clients for the metrics, which the api serves."""
    while True:
        clients, anonymous = caps.taken
        try:
            figures = StreamFigures(clients, anonymous, fanout.cut_off, now_us())
            stream_figures.write(run_directory, figures, place=place)
        except OSError as fault:
            log.warning("stream_figures_not_written", fault=str(fault))
        gevent.sleep(FIGURES_S)


def _beat(now: str, sequences: object) -> Raw:
    return Raw(msgspec.json.encode({"timestamp": now, "sequences": sequences}))


def _spawn(run: Callable[[], None]) -> None:
    """Run a greenlet for ever; if it fails, the process ends and the supervisor starts it again."""
    gevent.spawn(run).link(_end_process)


def _end_process(ended: Greenlet) -> None:
    log.critical("streams_broken", fault=repr(ended.exception))
    os.kill(os.getpid(), signal.SIGTERM)


def _http_fault(fault: HTTPException) -> Response:
    if fault.code == 404:
        return problem_answer(not_found("stream"))
    return problem_answer(
        NOT_A_WEBSOCKET if fault.code == 400 else Problem(fault.code or 500, "bad_request", fault.name)
    )
