"""An exchange to measure or to break: the processes of `make up` without bots, on data that is deleted afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from bench.target.accounts import KEYS_FILE
from celery_app.settings import Settings, read_settings
from deploy.local import exchange, ports, ready
from deploy.local.addresses import SERVICE_URLS
from deploy.local.failure import Failure
from deploy.local.lock import alone
from deploy.local.places import ROOT, VENV_PYTHON, Instance
from deploy.local.programs import Program
from deploy.local.services import answers, own
from deploy.local.supervisor import Supervisor
from deploy.local.variables import from_environment

INSTANCE = Instance(ROOT / ".run-bench")

# Changes the programs before they start, given the addresses of the services.
Arrange = Callable[[list[Program], Mapping[str, str]], list[Program]]


@dataclass(frozen=True, slots=True)
class OwnExchange:
    """A running exchange, with its address, settings and processes."""

    url: str
    settings: Settings
    instance: Instance
    supervisor: Supervisor
    services: list[Program]
    processes: list[Program]


@contextmanager
def own_exchange(
    instance: Instance = INSTANCE,
    *,
    variables: Mapping[str, str] | None = None,
    arrange: Arrange = lambda programs, _: programs,
) -> Iterator[OwnExchange]:
    """Run an exchange inside the block, on services, ports and a folder of its own.

    The environment sets the number of workers, SHARDS and all other settings.

    variables  defaults for what the environment does not set
    arrange    changes the programs before they start
    raises     Failure  a service or a process does not start
    """
    instance.directory.mkdir(parents=True, exist_ok=True)
    with alone(instance):
        if Supervisor(instance).runs():
            Supervisor(instance).shut_down()  # left over from a run that was killed
        _clear(instance)
        instance.folder("logs")
        caller = dict(variables or {}) | {n: value for n, value in os.environ.items() if n not in SERVICE_URLS}
        services = own.prepare(instance, sorted(set(SERVICE_URLS.values())), running=False, defined=True)
        chosen = ports.choose(instance, ["api", "flower"], running=False)
        environment = exchange.environment(
            caller, {**services.urls, "API_PORT": str(chosen["api"]), "FLOWER_PORT": str(chosen["flower"])}, instance
        )
        os.environ.update(environment)
        settings = read_settings()
        url = f"http://{settings.api_host}:{settings.api_port}"
        processes = exchange.programs(
            from_environment(caller | {"BOTS": "none"}),
            environment,
            shards=settings.shards,
            flower_port=settings.flower_port,
            url=url,
        )
        processes = arrange(processes, services.urls)
        supervisor = Supervisor(instance)
        supervisor.load([*services.all_programs, *processes])
        try:
            _start(supervisor, services, processes, environment, url=url)
            yield OwnExchange(url, settings, instance, supervisor, services.all_programs, processes)
        finally:
            supervisor.stop(program.name for program in (*processes, *reversed(services.all_programs)))
            supervisor.shut_down()
            _clear(instance)


@contextmanager
def trading_exchange() -> Iterator[OwnExchange]:
    """Run an exchange inside the block, which begins when the first auction of the new exchange is over."""
    with own_exchange() as own_one:
        ready.wait_for_trading(own_one.settings, seconds=60)
        yield own_one


def _start(
    supervisor: Supervisor,
    services: own.Services,
    processes: list[Program],
    environment: dict[str, str],
    *,
    url: str,
) -> None:
    supervisor.apply(None)
    supervisor.start(services.all_programs)
    names = [program.name for program in services.all_programs]
    for service in services.programs:
        answers.wait(service, services.url_of(service), still_up=lambda: supervisor.require(names))
    migrated = subprocess.run(
        [VENV_PYTHON, "-m", "deploy.migrate", "--bots", "none"],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if migrated.returncode != 0:
        raise Failure(migrated.stderr.strip().splitlines()[-1])
    supervisor.start(processes)
    ready.wait_for_api(url, still_up=lambda: supervisor.require([process.name for process in processes]))


def _clear(instance: Instance) -> None:
    """Remove the data of an exchange, and keep its logs."""
    for folder in ("postgres", "rabbitmq", "redis", "alive"):
        shutil.rmtree(instance.directory / folder, ignore_errors=True)
    for file in ("keys.json", KEYS_FILE):
        (instance.directory / file).unlink(missing_ok=True)
