"""The exchange on this machine: the environment of its processes, and the programs of its supervisor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from celery_app.faults import INVARIANT_BROKEN_STATUS
from celery_app.settings import Settings
from deploy.local.addresses import DATABASE_URLS, FLOWER_BASIC_AUTH, FLOWER_BROKER_API, FOR_MIGRATE, WITH_PASSWORDS
from deploy.local.places import VENV_PYTHON, Instance
from deploy.local.programs import BOT, SCHEDULER, WEB, WORKER, Program
from deploy.local.variables import Variables
from deploy.migrate import key_file
from deploy.processes import Process

# A worker ends after its current batch, even if Postgres is slow.
_WORKER_STOP_S = 60

_OF_WEBS = frozenset({"API_WORKERS", "STREAMS"})

_RANKS = {"worker": WORKER, "web": WEB, "bot": BOT, "scheduler": SCHEDULER, "referee": SCHEDULER}


def environment(variables: Mapping[str, str], urls: Mapping[str, str], instance: Instance) -> dict[str, str]:
    """Return the settings for the processes of an instance.

    variables  the caller's, including settings
    urls       addresses of the services
    """
    names = [*map(str.upper, Settings.model_fields), FLOWER_BROKER_API]
    passed_on = {name: variables[name] for name in names if variables.get(name)}
    return {**passed_on, **urls, "RUN_DIRECTORY": str(instance.directory)}


def programs(
    variables: Variables,
    settings: Mapping[str, str],
    *,
    shards: int,
    flower_port: int,
    url: str,
    roles: Mapping[str, Mapping[str, str]] | None = None,
    users: Mapping[str, Mapping[str, str]] | None = None,
) -> list[Program]:
    """Return the programs of all processes of the exchange, without the services.

    settings  environment of the processes
    url       address of the api, for the bots
    roles     variables for the processes of each role at RabbitMQ; by default all have the same rights
    users     addresses of the databases for each user of Postgres; by default all have the same rights
    """
    return [
        Program(
            name,
            _RANKS[process.kind],
            _command(process, url, Path(settings["RUN_DIRECTORY"])),
            {
                "PYTHONUNBUFFERED": "1",
                **_settings_of(process, settings, roles or {}, users or {}),
                **({"FLOWER_PORT": str(flower_port)} if process.name == "flower" else {}),
            },
            stop_wait_s=_WORKER_STOP_S if process.kind == "worker" else 15,
            final=(INVARIANT_BROKEN_STATUS,) if process.kind == "worker" else (),
        )
        for name, process in variables.processes(shards)
    ]


def _settings_of(
    process: Process,
    settings: Mapping[str, str],
    roles: Mapping[str, Mapping[str, str]],
    users: Mapping[str, Mapping[str, str]],
) -> dict[str, str]:
    """Return the settings of a process, without secrets that it does not need."""
    if process.kind != "web":
        # Other processes keep running when these change.
        settings = {name: text for name, text in settings.items() if name not in _OF_WEBS}
    if process.role is None:
        shared = {name: text for name, text in settings.items() if name not in WITH_PASSWORDS}
        return shared | _databases_of(process, settings, users)
    without = {*FOR_MIGRATE}
    if process.name != "flower":
        without |= {FLOWER_BROKER_API, FLOWER_BASIC_AUTH}
    if users or process.user is None:
        without |= DATABASE_URLS
    shared = {name: text for name, text in settings.items() if name not in without}
    of_its_role = {n: text for n, text in roles.get(process.role, {}).items() if n not in without}
    return shared | of_its_role | dict(users.get(process.user or "", {}))


def _databases_of(
    process: Process, settings: Mapping[str, str], users: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """Return the addresses of the databases in which a process without a role has rights."""
    if process.user is None:
        return {}
    return dict(users[process.user]) if users else {name: settings[name] for name in DATABASE_URLS}


def _command(process: Process, url: str, run_directory: Path) -> tuple[str, ...]:
    own: tuple[str, ...] = ()
    if process.kind == "bot":
        # A file with only its own key.
        own = ("--url", url, "--keys-file", str(key_file(run_directory, process.name)))
    return (str(VENV_PYTHON), "-m", *process.command, *own)
