"""What each part of the exchange has used of the CPU, from /proc.

Workers, api and bots are told by their command lines, and are ours when their environment names our broker. A
backend of Postgres belongs to the stage that it works for, which is the application name of its connection.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from db.connect import Database

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
MEASUREMENT = "measurement"
OTHER = "everything else on the machine"


@dataclass(frozen=True, slots=True)
class Process:
    """A process, the part of the exchange it is, and what it has used up to now [s]."""

    part: str
    cpu_s: float
    resident_bytes: int


class CpuMeter:
    """Counts from the moment it is made."""

    def __init__(self, clearing_data: Database, market_data: Database, *, broker_url: str) -> None:
        """`broker_url` tells our processes from those of another exchange on the machine."""
        self._clearing_data = clearing_data
        self._databases = [clearing_data.engine.url.database, market_data.engine.url.database]
        self._broker = broker_url.rpartition("@")[2].encode()  # the roles have users of their own
        self._start = self._processes()
        self._own_start_s = time.process_time()
        self._machine_start_s = _machine_cpu_s()

    def used_s(self) -> dict[str, float]:
        """CPU seconds of each part since the start, of this process, and of the rest of the machine."""
        used: defaultdict[str, float] = defaultdict(float)
        for pid, process in self._processes().items():
            before = self._start.get(pid)
            used[process.part] += process.cpu_s - (before.cpu_s if before else 0.0)
        used[MEASUREMENT] = time.process_time() - self._own_start_s
        used[OTHER] = max(_machine_cpu_s() - self._machine_start_s - sum(used.values()), 0.0)
        return used

    def resident_bytes(self) -> dict[str, int]:
        """Resident memory of each part now; pages shared by the backends of Postgres count for each of them."""
        resident: defaultdict[str, int] = defaultdict(int)
        for process in self._processes().values():
            resident[process.part] += process.resident_bytes
        return resident

    def _processes(self) -> dict[int, Process]:
        backends = self._backends()
        found = {}
        for pid in _pids():
            try:
                part = backends[pid] if pid in backends else self._part(pid)
                if part:
                    found[pid] = Process(part, _cpu_s(pid), _resident_bytes(pid))
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has ended meanwhile
        return found

    def _backends(self) -> dict[int, str | None]:
        """What each process of Postgres works for; None: another database of the same server."""
        with self._clearing_data.snapshot() as tx:
            rows = tx.execute(text("SELECT pid, application_name, datname, backend_type FROM pg_stat_activity")).all()
        return {row.pid: self._part_of_backend(row.application_name, row.datname, row.backend_type) for row in rows}

    def _part_of_backend(self, application: str, database: str | None, kind: str) -> str | None:
        if database is None:
            return "postgres itself"
        if database not in self._databases:
            return None
        return f"postgres for {application or database}" if kind == "client backend" else f"postgres {kind}"

    def _part(self, pid: int) -> str | None:
        """The part of the exchange that a process is, or None."""
        words = _words(pid)
        if not words:
            return None
        program = Path(words[0]).name
        if program == "beam.smp":
            return "rabbitmq"
        if program.startswith("redis-server"):
            return "redis"
        if self._broker not in _environment(pid):
            return None
        return _part_of_python(words)


def _part_of_python(words: list[str]) -> str | None:
    """Which process of ours a command line starts; they are all started by `python -m`."""
    if "-m" not in words[:-1]:
        return None
    module = words[words.index("-m") + 1]
    if module != "celery":
        return {"api": "api", "api.streams": "streams", "bots": "bots"}.get(module)
    return words[words.index("-Q") + 1] if "-Q" in words[:-1] else "flower"


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _words(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except PermissionError:
        return b""  # somebody else's


def _stat(pid: int) -> list[str]:
    # The name in parentheses may hold anything; the fields after it, from the state on, may not.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _cpu_s(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


def _resident_bytes(pid: int) -> int:
    return int(_stat(pid)[21]) * os.sysconf("SC_PAGE_SIZE")


def _machine_cpu_s() -> float:
    """What all processes have used since the machine started, without idle time and waiting for disks."""
    user, nice, system, _idle, _iowait, irq, softirq, *_ = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq) / TICKS_A_SECOND
