"""The exchange under chaos: processes and services to kill and hang, connections to cut, and checks of its recovery.

Each stage connects to each service through a proxy of its own, so that a network fault can affect one stage alone.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from urllib.parse import urlsplit

import psycopg2
from redis import Redis
from redis.exceptions import RedisError

from bench.chaos.proxy import Proxy
from bench.chaos.schedule import HEARTBEAT_S, Fault, Kind, deck
from bench.target.own import OwnExchange, own_exchange
from celery_app.topology import DATA_FEED, MATCHING, ORDER_ENTRY, ORDER_EXECUTION
from deploy.local.failure import Failure
from deploy.local.places import ROOT, VENV_PYTHON, Instance
from deploy.local.programs import SERVICE, WORKER, Program

# The defaults of `make chaos`: a second worker of every stage can continue while the first is down.
VARIABLES = {
    "ORDER_ENTRY_WORKERS": "2",
    "MATCHING_STANDBYS": "1",
    "ORDER_EXECUTION_WORKERS": "2",
    "DATA_FEED_WORKERS": "2",
    "BROKER_HEARTBEAT_S": str(HEARTBEAT_S),
    "BOTS": "none",
}

_PUBLISHERS = ("api", ORDER_ENTRY, MATCHING, ORDER_EXECUTION)
# The parts that connect to each service through a proxy; the streams share the api's.
_LINES: dict[str, tuple[str, ...]] = {
    "rabbitmq": ("api", ORDER_ENTRY, MATCHING, ORDER_EXECUTION, DATA_FEED),
    "postgres": ("api", ORDER_ENTRY, MATCHING, ORDER_EXECUTION, DATA_FEED),
    "redis": (DATA_FEED, "api"),
}
_ADDRESS_OF = {"rabbitmq": "BROKER_URL", "postgres": "CLEARING_DATA_URL", "redis": "REDIS_URL"}

_RESTART_START_S = 30.0


class Arena:
    """The running exchange with its proxies."""

    def __init__(self, own: OwnExchange, proxies: Mapping[str, Proxy]) -> None:
        self.own = own
        self._proxies = proxies
        self._programs = {program.name: program for program in (*own.services, *own.processes)}
        #: The times at which RabbitMQ was down for the deletion of its data [s, monotonic].
        self.data_lost_s: list[float] = []
        self._workers = [program.name for program in own.processes if program.rank == WORKER]

    @property
    def cards(self) -> list[tuple[Kind, str]]:
        """All possible faults of this exchange."""
        processes = [program.name for program in self.own.processes]
        publishers = [f"{part}-rabbitmq" for part in _PUBLISHERS]
        return deck(processes, list(self._proxies), publishers, [n for n in self._proxies if n.endswith("-postgres")])

    # -- faults ------------------------------------------------------------------------------------------------------

    def commit(self, fault: Fault) -> Callable[[], bool]:
        """Cause a fault, and after its end return a check whether the affected processes have recovered.

        If the target is down already because of another fault, nothing happens.
        """
        if fault.target in self._proxies:
            self._disturb(self._proxies[fault.target], fault)
            return self._look_at_workers(_part_of(fault.target))
        pid = self.pid(fault.target)
        if fault.kind == "lose data":
            self._lose_data()
        elif fault.kind == "restart":
            self.own.supervisor.stop([fault.target])
            self.own.supervisor.start([self._programs[fault.target]])
        elif pid:
            with suppress(ProcessLookupError):
                self._hurt(fault, pid)
        ends = fault.kind in ("kill", "restart", "shut down at once", "lose data")
        return self._look_at_process(fault.target, ended=pid if ends else 0)

    def _lose_data(self) -> None:
        """Delete RabbitMQ's data, and make its users and queues again, as the next `make up` does."""
        self.own.supervisor.stop(["rabbitmq"])
        self.data_lost_s.append(time.monotonic())
        shutil.rmtree(self.own.instance.directory / "rabbitmq" / "data")
        self.own.supervisor.start([self._programs["rabbitmq"]])
        deadline_s = time.monotonic() + _RESTART_START_S
        while (made := self._migrate()).returncode:
            if time.monotonic() > deadline_s:
                raise Failure(f"deploy.migrate could not make RabbitMQ's users: {made.stderr.strip()[-300:]}")
            time.sleep(0.5)

    def _migrate(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [VENV_PYTHON, "-m", "deploy.migrate", "--bots", "none"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def _disturb(self, line: Proxy, fault: Fault) -> None:
        if fault.kind == "cut":
            line.cut()
            return
        begin, end = {
            "hang": (line.hang, line.go_on),
            "late confirms": (line.hold_confirms, line.release_confirms),
            "lost confirms": (line.swallow_confirms, line.release_confirms),
            "lost commits": (line.lose_commits, line.keep_commits),
        }[fault.kind]
        begin()
        time.sleep(fault.lasts_s)
        end()

    def _hurt(self, fault: Fault, pid: int) -> None:
        match fault.kind:
            case "kill":
                os.kill(pid, signal.SIGKILL)
            case "pause":
                os.kill(pid, signal.SIGSTOP)
                time.sleep(fault.lasts_s)
                os.kill(pid, signal.SIGCONT)
            case "shut down at once":
                os.kill(pid, signal.SIGQUIT)
            case "kill a backend":
                self._kill_a_backend(fault.number)
            case "flush":
                self._flush()
            case _:
                raise AssertionError(fault.kind)

    def _kill_a_backend(self, number: int) -> None:
        with suppress(psycopg2.Error):
            server = urlsplit(self.own.settings.clearing_data_url.get_secret_value())._replace(scheme="postgresql")
            connection = psycopg2.connect(server.geturl(), connect_timeout=3)
            with connection, connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' "
                    "AND pid <> pg_backend_pid() AND application_name <> '' ORDER BY application_name, backend_start"
                )
                pids = [pid for (pid,) in cursor.fetchall()]
            connection.close()
            if pids:
                os.kill(pids[number % len(pids)], signal.SIGKILL)

    def _flush(self) -> None:
        redis = Redis.from_url(self.own.settings.redis_url.get_secret_value(), socket_timeout=3)
        with suppress(RedisError):
            redis.flushall()
            for kind in ("pubsub", "normal"):
                redis.client_kill_filter(_type=kind, skipme=True)

    # -- recovery ----------------------------------------------------------------------------------------------------

    def pid(self, name: str) -> int:
        """Return the process id of a program; 0 while it is down."""
        return self.own.supervisor.pids([name])[name]

    def ended(self) -> list[str]:
        """Describe the programs that do not run."""
        return [
            f"{state.name} is {state.state}, exit status {state.exit_status}"
            for state in self.own.supervisor.states()
            if state.state != "RUNNING"
        ]

    def _look_at_process(self, name: str, *, ended: int) -> Callable[[], bool]:
        """Return a check that a program runs in a new process, and consumes if it is a worker."""
        at_work = self._look_at_workers(name)

        def is_back() -> bool:
            pid = self.pid(name)
            return pid not in (0, ended) and at_work()

        return is_back

    def _look_at_workers(self, part: str) -> Callable[[], bool]:
        """Return a check that all workers affected by a part's fault have updated their liveness files since now."""
        since = time.time()
        is_service = part in self._programs and self._programs[part].rank == SERVICE
        concerned = self._workers if is_service else [name for name in self._workers if name.startswith(part)]

        def are_at_work() -> bool:
            pids = self.own.supervisor.pids(concerned)
            return all(pids.values()) and all(self._ticked_at(pid) > since for pid in pids.values())

        return are_at_work

    def _ticked_at(self, pid: int) -> float:
        """Return the time of a worker's liveness file [s since 1970]; 0 if there is none."""
        files = (self.own.instance.directory / "alive").glob(f"*-{pid}@*")
        return max((file.stat().st_mtime for file in files), default=0.0)


def _part_of(line: str) -> str:
    return line.rpartition("-")[0]


@contextmanager
def arena(instance: Instance) -> Iterator[Arena]:
    """Run a new exchange with proxies in front of its services inside the block. Raises Failure."""
    shutil.rmtree(instance.logs, ignore_errors=True)  # logs of an earlier run would be findings of this one
    with ExitStack() as stack:
        proxies: dict[str, Proxy] = {}

        def arrange(programs: list[Program], urls: Mapping[str, str]) -> list[Program]:
            for service, parts in _LINES.items():
                for part in parts:
                    proxies[f"{part}-{service}"] = stack.enter_context(Proxy.before(urls[_ADDRESS_OF[service]]))
            return [_rerouted(program, proxies, urls) for program in programs if program.name != "flower"]

        own = stack.enter_context(own_exchange(instance, variables=VARIABLES, arrange=arrange))
        yield Arena(own, proxies)


def _rerouted(program: Program, proxies: Mapping[str, Proxy], urls: Mapping[str, str]) -> Program:
    """Return the program with addresses that lead through the proxies of its part."""
    part = "api" if program.name == "streams" else program.name.partition(".")[0].partition("-")[0]
    environment = dict(program.environment)
    for service in _LINES:
        proxy = proxies.get(f"{part}-{service}")
        if proxy is None:
            continue
        address = urlsplit(urls[_ADDRESS_OF[service]])
        server = f"{address.hostname}:{address.port}/"
        for name, text in environment.items():
            # Every address of this service, with any user.
            environment[name] = text.replace(f"@{server}", f"@127.0.0.1:{proxy.port}/")
    return replace(program, environment=environment)
