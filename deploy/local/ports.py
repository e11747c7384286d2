"""Ports of loopback: free ones, reservations among our own programs, and the earlier choices of an instance."""

from __future__ import annotations

import fcntl
import json
import os
import random
import socket
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from deploy.local.failure import Failure
from deploy.local.places import Instance, read_json, write_private

LOOPBACK = "127.0.0.1"

# Below the range of outgoing connections: one of those could occupy the port of a service that is restarting.
_LOWEST, _HIGHEST = 20_000, 31_999
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")

# A process reserves a port by locking a byte of this file; the kernel releases the lock however the process ends.
_RESERVATIONS = Path(tempfile.gettempdir()) / "stock-exchange-ports"

_reserved: set[int] = set()


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Return whether a server could listen there now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def reserve(port: int, host: str = LOOPBACK) -> bool:
    """Reserve a port until this process ends; return False if it is not free.

    Until a server listens there, no other exchange and no other test run takes it.
    """
    if port in _reserved:
        return is_free(port, host)
    try:
        fcntl.lockf(_reservations(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except (BlockingIOError, PermissionError):
        return False
    if not is_free(port, host):
        fcntl.lockf(_reservations(), fcntl.LOCK_UN, 1, port)
        return False
    _reserved.add(port)
    return True


@cache
def _reservations() -> int:
    """Return the open file of reservations. It stays open, because closing it would release all locks."""
    try:
        return os.open(_RESERVATIONS, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        pass
    try:
        file = os.open(_RESERVATIONS, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:  # another process was faster
        return os.open(_RESERVATIONS, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    os.fchmod(file, 0o666)  # despite the umask: processes of other users also reserve ports
    return file


def choose(instance: Instance, names: Iterable[str], *, running: bool) -> dict[str, int]:
    """Return a reserved port for each name, if possible the same as before, and remember it for the next start.

    running  whether the instance runs, so that its own services use the ports
    """
    file = instance.directory / "ports.json"
    before: dict[str, int] = read_json(file)
    chosen: dict[str, int] = {}
    for name in names:
        port = before.get(name)
        chosen[name] = (
            port if port and (running or reserve(port)) else _another(set(chosen.values()) | set(before.values()))
        )
    kept = before | chosen
    if kept != before:
        write_private(file, json.dumps(kept, indent=2) + "\n")
    return chosen


def _another(taken: set[int]) -> int:
    highest = min(_HIGHEST, int(_EPHEMERAL.read_text().split()[0]) - 1) if _EPHEMERAL.exists() else _HIGHEST
    for port in random.sample(range(_LOWEST, max(highest, _LOWEST + 1_000)), 500):
        if port not in taken | _reserved and reserve(port):
            return port
    raise Failure(f"no port from {_LOWEST} to {highest} is free: stop some of the programs that use them")
