"""A Postgres and its synchronous standby, which a test may promote after killing the primary."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg2

from deploy.local.places import Instance
from deploy.local.programs import Program
from deploy.local.services import postgres
from tests.support.side_by_side import free_port

START_S = 120.0
PASSWORD = "postgres-pair"
STANDBY = "standby"


class PostgresPair:
    """`with PostgresPair() as pair: ...` runs both servers inside the block.

    url  names both servers and asks for the one that accepts writes
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="postgres-pair-"))
        self._folder.chmod(0o755)  # Postgres' user has to enter it
        self._ports = {"primary": free_port(), STANDBY: free_port()}
        self._servers: dict[str, subprocess.Popen[bytes]] = {}
        hosts = "&".join(f"host=127.0.0.1:{port}" for port in self._ports.values())
        self.url = f"postgresql+psycopg2://{postgres.USER}:{PASSWORD}@/postgres?{hosts}&target_session_attrs=read-write"

    def __enter__(self) -> Self:
        primary = self._program("primary")
        self._start("primary", primary, "--fsync=off", f"--synchronous_standby_names={STANDBY}")
        self._copy(primary)
        self._start(STANDBY, self._program(STANDBY), "--fsync=off", f"--cluster_name={STANDBY}")
        self._wait_until_synchronous()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        for name in list(self._servers):
            self._end(name, signal.SIGQUIT)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def standby_url(self) -> str:
        """The address of the standby alone."""
        port = self._ports[STANDBY]
        return f"postgresql+psycopg2://{postgres.USER}:{PASSWORD}@127.0.0.1:{port}/postgres"

    def pause_standby(self, *, paused: bool = True) -> None:
        """Let the standby lag: it receives commits and does not show them, until it goes on."""
        function = "pg_wal_replay_pause" if paused else "pg_wal_replay_resume"
        with psycopg2.connect(self._address(STANDBY)) as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT {function}()")
        connection.close()

    def kill_primary(self) -> None:
        """Kill the primary and all its sessions at once."""
        self._end("primary", signal.SIGQUIT)

    def promote(self) -> None:
        """Make the standby the primary."""
        with psycopg2.connect(self._address(STANDBY)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_promote()")
            assert cursor.fetchone() == (True,)
        connection.close()

    # -- servers -----------------------------------------------------------------------------------------------------

    def _program(self, name: str) -> Program:
        instance = Instance(self._folder / name)
        instance.directory.mkdir(exist_ok=True, mode=0o755)
        (program,) = postgres.programs(instance, {"postgres": self._ports[name]}, PASSWORD)
        return program

    def _start(self, name: str, program: Program, *options: str) -> None:
        with (self._folder / f"{name}.log").open("wb") as log:
            self._servers[name] = subprocess.Popen(
                [*program.run_as, *program.command, *options], cwd="/", stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_S
        while True:
            try:
                psycopg2.connect(self._address(name)).close()
                return
            except psycopg2.OperationalError:
                log_text = (self._folder / f"{name}.log").read_text(errors="replace")
                assert self._servers[name].poll() is None, log_text
                assert time.monotonic() < deadline, log_text
                time.sleep(0.05)

    def _copy(self, primary: Program) -> None:
        """Make the standby's data a copy of the primary's, with the settings of a standby."""
        folder = Instance(self._folder / STANDBY).folder("postgres")
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        tool = Path(primary.command[0]).with_name("pg_basebackup")
        source = f"{self._address('primary')} application_name={STANDBY}"
        subprocess.run(
            [*primary.run_as, tool, "-D", folder / "data", "-d", source, "-R", "--checkpoint=fast", "--no-sync"],
            cwd="/", check=True, capture_output=True, timeout=START_S,
        )  # fmt: skip

    def _wait_until_synchronous(self) -> None:
        deadline = time.monotonic() + START_S
        with psycopg2.connect(self._address("primary")) as connection, connection.cursor() as cursor:
            while True:
                cursor.execute("SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming'")
                if cursor.fetchall() == [("sync",)]:
                    break
                assert time.monotonic() < deadline, "the standby does not follow"
                time.sleep(0.05)
        connection.close()

    def _address(self, name: str) -> str:
        return f"host=127.0.0.1 port={self._ports[name]} user={postgres.USER} password={PASSWORD} dbname=postgres"

    def _end(self, name: str, number: signal.Signals) -> None:
        server = self._servers.pop(name)
        server.send_signal(number)
        server.wait(60)
