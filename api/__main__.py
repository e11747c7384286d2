"""Start the api: `python -m api`."""

# ruff: noqa: E402  # a module that is imported before the patches keeps the sockets and locks that block
from gevent import monkey

monkey.patch_all()

from psycogreen.gevent import patch_psycopg

patch_psycopg()

import sys

import structlog

from api.app import FAST_LANE, KEYS, TRAFFIC, create_app
from api.http.api_server import ApiServer
from api.http.process import listen, refused, serve
from api.http.stream_places import StreamPlaces
from api.orders.intake.unfinished import UnusableFolder
from api.request.addresses import Proxies
from api.request.strangers import Strangers
from celery_app import logs
from celery_app.settings import settings


def main() -> int:
    """Serve the api until a signal stops it; return the exit status."""
    s = settings()
    logs.configure()
    try:
        listener = listen(s.api_host, s.api_port, shared=s.api_workers > 1)
    except OSError as fault:
        return refused(
            f"the api cannot listen on {s.api_host}:{s.api_port} ({fault.strerror}): "
            "stop the program that listens there, or set API_HOST and API_PORT, and start again"
        )
    try:
        app = create_app(s)
    except UnusableFolder as reason:
        return refused(
            f"the api cannot write to {s.run_directory} ({reason}): "
            "make room there, or set RUN_DIRECTORY to a folder of this user, and start again"
        )
    proxies = Proxies(s.trusted_proxies)
    server = ApiServer(
        listener,
        app,
        max_body_bytes=s.max_body_bytes,
        streams=StreamPlaces(s.run_directory, s.streams),
        strangers=Strangers(
            app.extensions[KEYS],
            proxies,
            anonymous_per_s=s.max_anonymous_per_s,
            refused_keys_per_s=s.max_refused_keys_per_s,
        ),
        proxies=proxies,
        fast_lane=app.extensions[FAST_LANE],
        traffic=app.extensions[TRAFFIC],
        most_of_an_address=s.max_connections_per_address,
        anonymous_per_s=s.max_anonymous_per_s,
    )
    structlog.get_logger().info("api_listens", address=f"http://{s.api_host}:{s.api_port}")
    return serve(server)


sys.exit(main())
