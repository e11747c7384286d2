"""The CPU time and memory of each part of one exchange, from /proc.

Other exchanges on the machine do not count. A process of the exchange has the exchange's run directory in its
environment. RabbitMQ and Redis listen on the ports that the exchange connects to. A backend of Postgres counts for
the stage that opened the connection, which the connection's application name says.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import text

from bench.target.exchange import Exchange
from deploy.processes import referee, webs, workers

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
MEASUREMENT = "measurement"
OTHER = "everything else on the machine"

_LISTENING = "0A"  # the state of a socket in /proc/net/tcp
_CELERY = ("celery", "celery_app")
_BOTS = "bots"
_PARTS = {
    process.command[0]: process.name
    for process in (*workers(1), *webs(), referee())
    if process.command[0] not in _CELERY
}


@dataclass(frozen=True, slots=True)
class ProcessUse:
    """The CPU time of a process since its start, and the part of the exchange it belongs to."""

    part: str
    cpu_s: float


class CpuMeter:
    """Measures from its construction on."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        databases = exchange.clearing_data, exchange.market_data
        self._databases = [database.engine.url.database for database in databases]
        self._services = {
            **{pid: "rabbitmq" for url in exchange.broker_url.split(";") for pid in listeners(urlsplit(url).port)},
            **dict.fromkeys(listeners(urlsplit(exchange.redis_url).port), "redis"),
        }
        self._start = self._processes()
        self._own_start_s = time.process_time()
        self._machine_start_s = _machine_cpu_s()

    def used_s(self) -> dict[str, float]:
        """Return the CPU seconds since the start: of each part, of this process, and of the rest of the machine."""
        used: defaultdict[str, float] = defaultdict(float)
        for pid, process in self._processes().items():
            before = self._start.get(pid)
            used[process.part] += process.cpu_s - (before.cpu_s if before else 0.0)
        used[MEASUREMENT] = time.process_time() - self._own_start_s
        used[OTHER] = max(_machine_cpu_s() - self._machine_start_s - sum(used.values()), 0.0)
        return used

    def memory_bytes(self) -> dict[str, int]:
        """Return the memory of each part, as memory_bytes of this module."""
        used: defaultdict[str, int] = defaultdict(int)
        for pid, part in self._parts():
            with suppress(FileNotFoundError, ProcessLookupError):  # the process has ended
                used[part] += memory_bytes(pid)
        return used

    def _processes(self) -> dict[int, ProcessUse]:
        found = {}
        for pid, part in self._parts():
            with suppress(FileNotFoundError, ProcessLookupError):  # the process has ended
                found[pid] = ProcessUse(part, cpu_s(pid))
        return found

    def _parts(self) -> Iterator[tuple[int, str]]:
        """Yield the process ids of the exchange, and the part that each is."""
        parts = self._services | self._backends()
        for pid in _pids():
            with suppress(FileNotFoundError, ProcessLookupError):  # the process has ended
                part = parts[pid] if pid in parts else part_of(pid, self._exchange.run_directory)
                if part:
                    yield pid, part

    def _backends(self) -> dict[int, str | None]:
        """Return the part that each process of Postgres works for; None: another database of the same server."""
        with self._exchange.clearing_data.snapshot() as tx:
            rows = tx.execute(text("SELECT pid, application_name, datname, backend_type FROM pg_stat_activity")).all()
        return {row.pid: self._part_of_backend(row.application_name, row.datname, row.backend_type) for row in rows}

    def _part_of_backend(self, application: str, database: str | None, kind: str) -> str | None:
        if database is None:
            return "postgres itself"
        if database not in self._databases:
            return None
        return f"postgres for {application or database}" if kind == "client backend" else f"postgres {kind}"


def part_of(pid: int, run_directory: Path) -> str | None:
    """Return the part of the exchange in a run directory that a process is; None: it belongs to something else."""
    if f"RUN_DIRECTORY={run_directory}".encode() not in _environment(pid):
        return None
    words = _words(pid)
    if "-m" not in words[:-1]:
        return None
    module = words[words.index("-m") + 1]
    if module in _CELERY:
        if "-Q" in words[:-1]:
            return words[words.index("-Q") + 1]
        return "scheduler" if words[-1] == "beat" else "flower"
    return _BOTS if module == _BOTS else _PARTS.get(module)


def pids_of(run_directory: Path) -> dict[str, int]:
    """Return one process of each part of the exchange in a run directory."""
    found = {}
    for pid in _pids():
        try:
            if part := part_of(pid, run_directory):
                found[part] = pid
        except (FileNotFoundError, ProcessLookupError):
            continue  # the process has ended
    return found


def listeners(port: int | None) -> set[int]:
    """Return the processes of this machine that listen on a TCP port; empty when the server is elsewhere."""
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    return {pid for pid in _pids() if sockets & _open_files(pid)} if sockets else set()


def _listening_inodes(port: int | None) -> Iterator[str]:
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:] if table.exists() else []:
            fields = line.split()
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _open_files(pid: int) -> set[str]:
    try:
        return {target for entry in Path(f"/proc/{pid}/fd").iterdir() if (target := _target(entry))}
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return set()  # the process has ended, or belongs to another user


def _target(descriptor: Path) -> str | None:
    try:
        return str(descriptor.readlink())
    except (FileNotFoundError, ProcessLookupError):
        return None  # the process has closed it or has ended


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _words(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except PermissionError:
        return []  # the process belongs to another user


def _stat(pid: int) -> list[str]:
    # The name in parentheses may contain anything; the fields after it, from the state on, may not.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def cpu_s(pid: int) -> float:
    """Return the CPU time that a process has used [s]."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


def memory_bytes(pid: int) -> int:
    """Return the memory of a process (PSS): of a page that n processes share, each has an nth.

    Of a process that belongs to another user, the resident memory, which counts shared pages fully.
    """
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except PermissionError:
        return int(_stat(pid)[21]) * os.sysconf("SC_PAGE_SIZE")
    return 1024 * next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))


def _machine_cpu_s() -> float:
    """Return the CPU time of all processes since the machine started, without idle time and waiting for disks [s]."""
    user, nice, system, _idle, _iowait, irq, softirq, *_ = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq) / TICKS_A_SECOND
