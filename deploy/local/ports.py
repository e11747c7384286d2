"""Ports of loopback: which are free, which other programs of ours have reserved, and which were chosen before."""

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

# Below the range from which Linux takes the ports of outgoing connections: such a one could sit on a port of a
# service that is just being restarted.
_LOWEST, _HIGHEST = 20_000, 31_999
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")

# Every process that reserves ports on this machine locks a byte of this file for each; the kernel takes the locks
# back when the process ends, however it ends.
_RESERVATIONS = Path(tempfile.gettempdir()) / "stock-exchange-ports"

_reserved: set[int] = set()


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def reserve(port: int, host: str = LOOPBACK) -> bool:
    """Keep a port from every other process that reserves ports, until this one ends; False when it is not free.

    Between the choice of a port and the moment at which a server listens there, no other exchange and no other run of
    the tests takes it.
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
    """The file of reservations, open for as long as this process lives: closing it gives up all locks."""
    try:
        return os.open(_RESERVATIONS, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        pass
    try:
        file = os.open(_RESERVATIONS, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:  # another process was faster
        return os.open(_RESERVATIONS, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    os.fchmod(file, 0o666)  # whatever the umask says: other users' processes reserve ports, too
    return file


def choose(instance: Instance, names: Iterable[str], *, running: bool) -> dict[str, int]:
    """A reserved port for each name: the one it had before, unless another program has taken that; kept for next time.

    running  whether the instance runs, so that it is itself who has taken them
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
    raise Failure(f"no port from {_LOWEST} to {highest} is free: stop some of the programs that listen there")
