"""A RabbitMQ user for each role, with the least rights: its queues, its routes, and Celery's own events.

RabbitMQ's management makes them. Its requests carry the passwords in their bodies, so no command line shows them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import requests
from amqp.exceptions import AMQPError
from kombu import Connection

from celery_app.topology import CATCH_UP, MATCHING, SCHEDULER, STAGES, declare_roles, exchange_of_role, sends_to

ROLES = ("api", SCHEDULER, *STAGES, CATCH_UP, "flower")

WAIT_S = 10.0

# The exchanges and queues through which workers and Flower talk to each other; names of queues also contain the name of
# the process.
_EVENTS = r"celeryev(\..+)?"
_CONTROL = r"(.+\.)?celery\.pidbox"
_NOTHING = "^$"


class NotMade(Exception):
    """RabbitMQ did not make a user or a queue; the message says why."""


def rights_of(role: str) -> dict[str, str]:
    """Return a role's rights: patterns for the exchanges and queues that it may configure, write and read."""
    celery = [] if role in ("api", CATCH_UP) else [_EVENTS, _CONTROL]
    write = [*celery, *([re.escape(exchange_of_role(role).name)] if role in sends_to() else [])]
    consumes = {MATCHING: [rf"{MATCHING}\.[0-9]+"]}.get(role, [role] if role in STAGES else [])
    return {"configure": _any_of(celery), "write": _any_of(write), "read": _any_of([*celery, *consumes])}


def tag_of(role: str) -> str:
    """Return the tag of a role's user. Flower reads the management; no other role may."""
    return "monitoring" if role == "flower" else ""


def make_users(broker_url: str, management_url: str, passwords: Mapping[str, str]) -> None:
    """Make or change the user of each role, on the virtual host of the broker's address, and declare the topology.

    broker_url, management_url  with a user that has all rights
    passwords                   by role; the user has the role's name
    raises                      NotMade
    """
    try:
        with Connection(broker_url, connect_timeout=WAIT_S) as connection:
            declare_roles(connection)
    except (AMQPError, OSError) as fault:
        raise NotMade(f"RabbitMQ does not declare the queues ({fault}): start it, or correct BROKER_URL") from fault
    host = quote(_virtual_host(broker_url), safe="")
    for role, password in passwords.items():
        _put(management_url, f"users/{role}", {"password": password, "tags": tag_of(role)})
        _put(management_url, f"permissions/{host}/{role}", rights_of(role))


def url_of(role: str, broker_url: str, password: str) -> str:
    """Return the address of a broker for the user of a role."""
    parts = urlsplit(broker_url)
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{role}:{password}@{place}"))


def _virtual_host(broker_url: str) -> str:
    """Return the virtual host of an address: its path after the first slash; without one, `/`."""
    return unquote(urlsplit(broker_url).path[1:]) or "/"


def _any_of(names: list[str]) -> str:
    return f"^({'|'.join(names)})$" if names else _NOTHING


def _put(management_url: str, path: str, content: Mapping[str, Any]) -> None:
    parts = urlsplit(management_url)
    address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}/{path}"
    login = unquote(parts.username or ""), unquote(parts.password or "")
    try:
        requests.put(address, json=content, auth=login, timeout=WAIT_S).raise_for_status()
    except requests.RequestException as fault:
        raise NotMade(
            f"RabbitMQ's management refuses {path.partition('/')[0]} ({fault}): correct BROKER_MANAGEMENT_URL"
        ) from fault
