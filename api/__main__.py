"""Starts the api: `python -m api`."""

# ruff: noqa: E402  # whatever is imported before the patches keeps the sockets and locks that block
from gevent import monkey

monkey.patch_all()

from psycogreen.gevent import patch_psycopg

patch_psycopg()

import sys

import structlog

from api.app import create_app
from api.handoff import ApiServer, streams_socket
from api.process import listen, refused, serve
from celery_app import logs
from celery_app.settings import settings


def main() -> int:
    """Serve the api until told to stop; the exit status."""
    s = settings()
    logs.configure()
    try:
        listener = listen(s.api_host, s.api_port)
    except OSError as fault:
        return refused(
            f"the api cannot listen on {s.api_host}:{s.api_port} ({fault.strerror}): "
            "end what listens there or set API_HOST and API_PORT, and start again"
        )
    streams = streams_socket(s.run_directory)
    server = ApiServer(listener, create_app(s), max_body_bytes=s.max_body_bytes, streams=streams)
    structlog.get_logger().info("api_listens", address=f"http://{s.api_host}:{s.api_port}")
    return serve(server)


sys.exit(main())
