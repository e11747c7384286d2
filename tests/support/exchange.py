"""The whole exchange as `make up` runs it, supervisor and all, on the services of the tests."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from kombu import Connection

from celery_app.settings import Settings, settings
from celery_app.topology import DEAD_LETTER
from db.connect import Database
from deploy import database_users, migrate
from deploy.broker_users import url_of
from deploy.local import exchange as local
from deploy.local.places import Instance
from deploy.local.programs import Program
from deploy.local.supervisor import Supervisor
from deploy.local.variables import from_environment
from tasks.audit.audit import CONNECTIONS, audit
from tests.support.broker import depth, empty_queues
from tests.support.databases import passwords_of_users
from tests.support.side_by_side import free_port

ROOT = Path(__file__).parents[2]
START_S = 300.0
AUDIT_PATIENCE_S = 60.0


@dataclass(frozen=True)
class AuditResult:
    """The result of an audit."""

    passed: bool
    broken: list[dict[str, Any]]


class Exchange:
    """A running exchange: its address, its keys, and its processes, which tests may kill."""

    def __init__(
        self,
        url: str,
        instance: Instance,
        environment: Mapping[str, str],
        supervisor: Supervisor,
        programs: Sequence[Program],
    ) -> None:
        self.url = url
        self.instance = instance
        self.environment = environment
        self.keys: dict[str, str] = json.loads((instance.directory / "keys.json").read_text())
        self._supervisor = supervisor
        self._programs = programs
        self._killed: dict[str, int] = {}

    # -- processes -------------------------------------------------------------------------------------------------

    def pid(self, name: str) -> int:
        """Return the process id of a named process; 0 while it is down."""
        return next(state.pid for state in self._supervisor.states() if state.name == name)

    def kill(self, name: str) -> None:
        """Kill a process with SIGKILL; the supervisor has to start it again."""
        self._killed[name] = self.pid(name)
        os.kill(self._killed[name], signal.SIGKILL)

    def send_signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process."""
        os.kill(self.pid(name), number)

    def is_back(self, name: str) -> bool:
        """Return whether a killed process runs again and works."""
        pid = self.pid(name)
        if pid in (0, self._killed[name]):
            return False
        log = self.instance.logs / f"{name}.log"
        return is_ready(self.url) if name in ("api", "streams") else f"-{pid}@" in log.read_text(errors="replace")

    def restart(self, name: str) -> None:
        """Stop a process as `make down` does, and start it again."""
        self._supervisor.stop([name])
        self._supervisor.start([program for program in self._programs if program.name == name])

    @staticmethod
    def wait_until(condition: Callable[[], bool], what: str, *, timeout_s: float = 180.0) -> None:
        """Wait until the condition holds.

        raises  AssertionError  it does not hold in time
        """
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f"not in {timeout_s:.0f} s: {what}"
            time.sleep(0.05)

    # -- what must hold --------------------------------------------------------------------------------------------

    def audit(self, *, patience_s: float = AUDIT_PATIENCE_S) -> AuditResult:
        """Run the audit that `make audit` runs; it waits this long for messages under way."""
        s = settings()
        urls = (s.clearing_data_url.get_secret_value(), s.market_data_url.get_secret_value())
        databases = [Database(url, pool_size=CONNECTIONS, application_name="audit") for url in urls]
        try:
            found = audit(*databases, broker_url=s.broker_url.get_secret_value(), patience_s=patience_s)
        finally:
            for database in databases:
                database.engine.dispose()
        return AuditResult(found.passed, [msgspec.to_builtins(rule) for rule in found.rules if not rule.passed])

    def dead_letters(self) -> int:
        """Return the number of dead letters."""
        with Connection(self.environment["BROKER_URL"]) as connection:
            return depth(connection, DEAD_LETTER)


def is_ready(url: str) -> bool:
    """Return whether an exchange reports that all of it is ready."""
    try:
        with urllib.request.urlopen(f"{url}/health/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def running_exchange(
    variables: Mapping[str, str] | None = None,
    *,
    broker_url: str | None = None,
    passwords: Mapping[str, str] | None = None,
    without: Collection[str] = (),
) -> Iterator[Exchange]:
    """Run the exchange on empty queues inside the block.

    variables   of `make up`, such as {"ORDER_ENTRY_WORKERS": "2"}; no bots trade unless they are named
    broker_url  of another RabbitMQ than that of the tests, with a user that has all rights
    passwords   of the roles' users there, with whose rights the processes run; None: all processes have all rights
    without     processes that the test does not need, such as the referee where there are no competitions
    """
    s = settings()
    # The path of a Unix socket has to be short, and pytest's folders are deep.
    instance = Instance(Path(tempfile.mkdtemp(prefix="exchange-")))
    instance.folder("logs")
    port = {"api": free_port(), "flower": free_port()}
    broker_url = broker_url or s.broker_url.get_secret_value()
    # The scheduler keeps the past: the same database serves tests of other years.
    urls = {"API_PORT": str(port["api"]), "BROKER_URL": broker_url, "KEEP_DAYS": "0"}
    environment = local.environment(os.environ, urls, instance)
    roles = {
        role: {"BROKER_URL": url_of(role, broker_url, password), "BROKER_ROLE": role}
        for role, password in (passwords or {}).items()
    }
    asked_for = from_environment({"BOTS": "none", **(variables or {})})
    url = f"http://{s.api_host}:{port['api']}"
    passwords = passwords_of_users()
    users = {user: database_users.urls_of(user, environment, password) for user, password in passwords.items()}
    programs = [
        program
        for program in local.programs(
            asked_for, environment, shards=s.shards, flower_port=port["flower"], url=url, roles=roles, users=users
        )
        if program.name not in {"flower", *without}
    ]
    named = {name.lower(): text for name, text in environment.items() if name.lower() in Settings.model_fields}
    migrate.prepare(Settings(**named, database_users=passwords), bots=(variables or {}).get("BOTS", "none"))
    supervisor = Supervisor(instance)
    try:
        with empty_queues(broker_url):
            supervisor.load(programs)
            supervisor.apply(None)
            supervisor.start(programs)
        Exchange.wait_until(lambda: is_ready(url), "the exchange is ready", timeout_s=START_S)
        yield Exchange(url, instance, environment, supervisor, programs)
    except BaseException:
        for log in sorted(instance.logs.glob("*.log")):
            sys.stderr.write(f"== {log.name}\n{log.read_text(errors='replace')[-2000:]}\n")
        raise
    finally:
        if supervisor.runs():
            supervisor.stop([program.name for program in programs])
            supervisor.shut_down()
        for log in sorted((instance.directory / "logs").glob("*.log")):
            failed = [line for line in log.read_text(errors="replace").splitlines() if "request_failed" in line]
            sys.stderr.write("".join(f"== {log.name}\n{line[-3000:]}\n" for line in failed[:3]))
        shutil.rmtree(instance.directory)
