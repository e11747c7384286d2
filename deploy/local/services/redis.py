"""A Redis of our own; it carries market data to the streams and stores nothing on disk."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from deploy.local.failure import Failure
from deploy.local.places import Instance, write_private
from deploy.local.ports import LOOPBACK
from deploy.local.programs import SERVICE, Program

PORTS = ("redis",)


def program_path() -> str | None:
    """Return the path of the server; None: it is not installed."""
    return shutil.which("redis-server")


def url(ports: Mapping[str, int], password: str) -> str:
    """Return the address of the server."""
    return f"redis://:{password}@{LOOPBACK}:{ports['redis']}/0"


def programs(instance: Instance, ports: Mapping[str, int], password: str) -> list[Program]:
    """Write the configuration and return the programs.

    raises  Failure  Redis is not installed
    """
    server = program_path()
    if server is None:
        raise Failure("Redis is not installed: install redis-server, or set REDIS_URL to one that runs")
    file = instance.folder("redis") / "redis.conf"
    write_private(file, configuration(LOOPBACK, ports["redis"], password))
    return [Program("redis", SERVICE, (server, str(file)))]


def configuration(address: str, port: int, password: str) -> str:
    """Return the text of the configuration."""
    return f"""\
bind {address}
port {port}
requirepass {password}
save ""
maxmemory 64mb
"""
