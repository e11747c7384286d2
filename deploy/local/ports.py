"""Ports of loopback: which are free, and which were chosen before."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Iterable

from deploy.local.failure import Failure
from deploy.local.places import Instance, read_json, write_private

LOOPBACK = "127.0.0.1"

# Below the range from which Linux takes the ports of outgoing connections: such a one could sit on a port of a
# service that is just being restarted.
_LOWEST, _HIGHEST = 20_000, 31_999


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def choose(instance: Instance, names: Iterable[str], *, running: bool) -> dict[str, int]:
    """A port for each name: the one it had before, unless someone else has taken that; kept for the next time.

    running  whether the instance runs, so that it is itself who has taken them
    """
    file = instance.directory / "ports.json"
    before: dict[str, int] = read_json(file)
    chosen: dict[str, int] = {}
    for name in names:
        port = before.get(name)
        chosen[name] = (
            port if port and (running or is_free(port)) else _another(set(chosen.values()) | set(before.values()))
        )
    kept = before | chosen
    if kept != before:
        write_private(file, json.dumps(kept, indent=2) + "\n")
    return chosen


def _another(taken: set[int]) -> int:
    for port in random.sample(range(_LOWEST, _HIGHEST), 200):
        if port not in taken and is_free(port):
            return port
    raise Failure(f"no port from {_LOWEST} to {_HIGHEST} is free: stop some of the programs that listen there")
