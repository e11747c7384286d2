"""The exchange on this machine: the environment of its processes, and what the supervisor runs."""

from __future__ import annotations

from collections.abc import Mapping

from celery_app.settings import Settings
from celery_app.stage import INVARIANT_BROKEN_STATUS
from deploy.local.places import EXCHANGE, VENV_PYTHON, Instance
from deploy.local.ports import LOOPBACK
from deploy.local.programs import BOT, WEB, WORKER, Program
from deploy.local.variables import FLOWER_BROKER_API, WITH_PASSWORDS, Variables
from deploy.processes import Process

# A worker ends when the unit under way is done, even if Postgres is slow.
_WORKER_STOP_S = 60

_RANKS = {"worker": WORKER, "web": WEB, "bot": BOT}


def environment(variables: Mapping[str, str], urls: Mapping[str, str], instance: Instance) -> dict[str, str]:
    """The settings with which the processes of an instance run.

    variables  those of the caller; settings among them are passed on
    urls       addresses of the services that run here
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
) -> list[Program]:
    """What the supervisor runs beside the services.

    settings  environment of the processes
    url       address of the api, for the bots
    roles     what the environment of a role's processes has in place of that; by default all have the same rights
    """
    flower = {
        "FLOWER_ADDRESS": LOOPBACK,
        "FLOWER_PORT": str(flower_port),
        # What it remembers, so that its memory stays flat: tasks, and workers that are gone [s].
        "FLOWER_MAX_TASKS": "2000",
        "FLOWER_PURGE_OFFLINE_WORKERS": "600",
    }
    return [
        Program(
            name,
            _RANKS[process.kind],
            _command(process, url),
            {
                "PYTHONUNBUFFERED": "1",
                **_settings_of(process, settings, roles or {}),
                **(flower if process.name == "flower" else {}),
            },
            stop_wait_s=_WORKER_STOP_S if process.kind == "worker" else 15,
            final=(INVARIANT_BROKEN_STATUS,) if process.kind == "worker" else (),
        )
        for name, process in variables.processes(shards)
    ]


def _settings_of(
    process: Process, settings: Mapping[str, str], roles: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """What a process is told, and no secret that it has no use for."""
    if process.role is None:
        return {name: text for name, text in settings.items() if name not in WITH_PASSWORDS}
    told = {**settings, **roles.get(process.role, {})}
    if process.role != "flower":
        told.pop(FLOWER_BROKER_API, None)
    return told


def _command(process: Process, url: str) -> tuple[str, ...]:
    own = ("--url", url, "--keys-file", str(EXCHANGE.directory / "keys.json")) if process.kind == "bot" else ()
    return (str(VENV_PYTHON), "-m", *process.command, *own)
