"""Waits until services answer, and reports those that do not."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import urlsplit

import psycopg2
from kombu import Connection
from redis import Redis
from redis.exceptions import RedisError

from deploy.local.addresses import SERVICE_URLS
from deploy.local.failure import Failure
from deploy.local.services.own import POSTGRES, RABBITMQ, REDIS

_LOGIN_S = 3


def wait(service: str, url: str, *, still_up: Callable[[], None], seconds: float = 240) -> None:
    """Return when one of our services answers.

    still_up  raises the Failure to report if the service has failed
    """
    deadline = time.monotonic() + seconds
    while (fault := _fault(service, url)) is not None:
        still_up()
        if time.monotonic() > deadline:
            raise Failure(f"{service} did not answer within {seconds:.0f} s ({fault}); see `make logs`")
        time.sleep(0.1)


def require(variable: str, url: str) -> None:
    """Check that a service at the caller's address answers.

    Postgres is not checked here, because its databases may not exist yet: the migration reports its failure.
    raises  Failure  it does not answer
    """
    service = SERVICE_URLS[variable]
    fault = _fault(service, url) if service != POSTGRES else None
    if fault is not None:
        address = urlsplit(url)
        raise Failure(
            f"{service} does not answer at {address.hostname}:{address.port} ({fault}): "
            f"start it there, or correct or unset {variable}"
        )


def _fault(service: str, url: str) -> str | None:
    """Return the reason why a service does not answer; None: it does."""
    try:
        _CHECKS[service](url)
    except (OSError, RedisError, psycopg2.Error, ValueError, *_AMQP_ERRORS) as fault:
        return str(fault).strip().partition("\n")[0] or type(fault).__name__
    return None


def _check_rabbitmq(url: str) -> None:
    with Connection(url, connect_timeout=_LOGIN_S) as connection:
        connection.connect()


def _check_postgres(url: str) -> None:
    server = urlsplit(url)._replace(path="/postgres")
    psycopg2.connect(server.geturl(), connect_timeout=_LOGIN_S).close()


def _check_redis(url: str) -> None:
    Redis.from_url(url, socket_connect_timeout=_LOGIN_S, socket_timeout=_LOGIN_S).ping()


_CHECKS = {RABBITMQ: _check_rabbitmq, POSTGRES: _check_postgres, REDIS: _check_redis}
_AMQP_ERRORS = Connection("amqp://").connection_errors
