"""Start and stop the processes of the api."""

from __future__ import annotations

import resource
import signal
import socket
import sys

import gevent

from api.http.server import MAX_CONNECTIONS, Server
from celery_app.memory import collect_rarely

BACKLOG = 1_024
# Open files besides the connections of clients: databases, RabbitMQ, logs.
OTHER_FILES = 500


def serve(server: Server) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status."""
    _allow_files(MAX_CONNECTIONS + OTHER_FILES)
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, server.finish)
    collect_rarely()
    server.run()
    return 0


def refused(sentence: str) -> int:
    """Print why the process cannot start; return the exit status."""
    sys.stderr.write(f"{sentence}\n")
    return 1


def listen(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """Return a listening socket. Raises OSError.

    shared  whether other processes of this user listen on the same port; the kernel deals the connections among them
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # Every connection inherits this: a response does not wait for the acknowledgement of the one before.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _allow_files(wanted: int) -> None:
    """Raise the limit of open files to `wanted`, as far as this user may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
