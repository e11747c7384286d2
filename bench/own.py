"""An exchange of the benchmark's own: what `make up` starts, without bots, new and empty, and gone afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from bench.accounts import KEYS_FILE
from celery_app.settings import Settings
from deploy.local import exchange, ports, ready
from deploy.local.failure import Failure
from deploy.local.lock import alone
from deploy.local.places import ROOT, VENV_PYTHON, Instance
from deploy.local.programs import Program
from deploy.local.services import answers, own
from deploy.local.supervisor import Supervisor
from deploy.local.variables import SERVICE_URLS, from_environment

INSTANCE = Instance(ROOT / ".run-bench")


@contextmanager
def own_exchange() -> Iterator[Settings]:
    """An exchange that runs inside the block, on services, ports and a folder of its own; its settings.

    The counts of workers, SHARDS and all other settings are those of the environment.

    raises  Failure  something does not start
    """
    INSTANCE.directory.mkdir(exist_ok=True)
    with alone(INSTANCE):
        _clear()
        INSTANCE.folder("logs")
        caller = {name: value for name, value in os.environ.items() if name not in SERVICE_URLS}
        services = own.prepare(INSTANCE, sorted(set(SERVICE_URLS.values())), running=False)
        chosen = ports.choose(INSTANCE, ["api", "flower"], running=False)
        environment = exchange.environment(
            caller, {**services.urls, "API_PORT": str(chosen["api"]), "FLOWER_PORT": str(chosen["flower"])}, INSTANCE
        )
        os.environ.update(environment)
        settings = Settings()
        url = f"http://{settings.api_host}:{settings.api_port}"
        processes = exchange.programs(
            from_environment(caller | {"BOTS": "none"}),
            environment,
            shards=settings.shards,
            flower_port=settings.flower_port,
            url=url,
        )
        supervisor = Supervisor(INSTANCE)
        supervisor.load([*services.all_programs, *processes])
        try:
            _start(supervisor, services, processes, environment, url=url)
            yield settings
        finally:
            supervisor.stop(program.name for program in (*processes, *reversed(services.all_programs)))
            supervisor.shut_down()
            _clear()


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
        [VENV_PYTHON, "-m", "deploy.migrate"],
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


def _clear() -> None:
    """Remove what an exchange leaves behind, but for its logs."""
    for folder in ("postgres", "rabbitmq", "redis", "alive"):
        shutil.rmtree(INSTANCE.directory / folder, ignore_errors=True)
    for file in ("keys.json", KEYS_FILE):
        (INSTANCE.directory / file).unlink(missing_ok=True)
