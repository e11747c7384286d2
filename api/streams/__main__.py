"""Starts the streams: `python -m api.streams`."""

# ruff: noqa: E402  # modules imported before the patches would keep blocking sockets and locks
from gevent import monkey

monkey.patch_all()

from psycogreen.gevent import patch_psycopg

patch_psycopg()

import sys

import structlog

from api.http.handoff import StreamsServer
from api.http.process import refused, serve
from api.http.stream_places import StreamPlaces
from api.streams.app import create_app, finish
from celery_app import logs
from celery_app.settings import settings


def main() -> int:
    """Serve streams on the connections that the api hands over, until a signal; return the exit status."""
    s = settings()
    logs.configure()
    places = StreamPlaces(s.run_directory, s.streams)
    try:
        place, listener = places.take_one()
    except OSError as fault:
        return refused(
            f"streams cannot take connections in {s.run_directory} ({fault.strerror or fault}): "
            "end the other process or set RUN_DIRECTORY, and start again"
        )
    app = create_app(place=place)
    server = StreamsServer(listener, app)
    structlog.get_logger().info("streams_ready", address=str(places.address(place)))
    status = serve(server)
    finish(app)
    return status


sys.exit(main())
