"""Waits until processes are ready, which is later than their start."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection

from celery_app.settings import Settings
from db.clearing_data.listing import securities
from db.connect import Database
from deploy.local.failure import Failure
from deploy.local.places import Instance
from deploy.local.supervisor import Supervisor

_ANSWER_S = 5


def wait_for_workers(
    instance: Instance, supervisor: Supervisor, names: Collection[str], *, seconds: float = 240
) -> None:
    """Return when all workers consume, which their liveness files show.

    raises  Failure  a worker does not start to consume
    """
    deadline = time.monotonic() + seconds
    while idle := [name for name, pid in supervisor.pids(names).items() if not _lives(instance, pid)]:
        supervisor.require(names)
        if time.monotonic() > deadline:
            raise Failure(f"{', '.join(idle)} did not start working within {seconds:.0f} s; see `make logs`")
        time.sleep(0.1)


def _lives(instance: Instance, pid: int) -> bool:
    return any((instance.directory / "alive").glob(f"*-{pid}@*"))


def wait_for_api(url: str, *, still_up: Callable[[], None], seconds: float = 240) -> None:
    """Return when the api reports that it and everything it depends on are ready.

    still_up  raises the Failure to report if the api cannot become ready
    """
    _wait(f"{url}/health/ready", "the api", still_up, seconds)


def wait_for_flower(url: str, *, still_up: Callable[[], None], seconds: float = 240) -> None:
    """Return when Flower answers."""
    _wait(f"{url}/healthcheck", "Flower", still_up, seconds)


def wait_for_trading(settings: Settings, *, seconds: float) -> None:
    """Return when no security is in the auction with which a new exchange begins.

    raises  Failure  one still is
    """
    database = Database(settings.clearing_data_url.get_secret_value(), application_name="up")
    deadline = time.monotonic() + seconds
    try:
        while waiting := _in_first_auction(database):
            if time.monotonic() > deadline:
                raise Failure(f"{', '.join(waiting)} did not begin to trade within {seconds:.0f} s; see `make logs`")
            time.sleep(0.2)
    finally:
        database.engine.dispose()


def _in_first_auction(database: Database) -> list[str]:
    with database.transaction() as tx:
        return [
            security.security_id
            for security in securities.listed(tx)
            if (security.phase, security.phase_cause) == ("auction", "schedule")
        ]


def _wait(address: str, what: str, still_up: Callable[[], None], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while (fault := _fault(address)) is not None:
        still_up()
        if time.monotonic() > deadline:
            raise Failure(f"{what} was not ready within {seconds:.0f} s ({fault}); see `make status` and `make logs`")
        time.sleep(0.2)


def _fault(address: str) -> str | None:
    """Return the reason why the address does not answer 200; None: it does."""
    try:
        with urllib.request.urlopen(address, timeout=_ANSWER_S):  # noqa: S310  # our own HTTP address
            return None
    except urllib.error.HTTPError as answer:
        return _missing(answer.read()) or str(answer)
    except (OSError, ValueError) as fault:
        return str(fault)


def _missing(body: bytes) -> str:
    """Return the missing dependencies that a body of /health/ready names."""
    try:
        dependencies = json.loads(body)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return ""
    return ", ".join(f"{name}: {state}" for name, state in dependencies.items() if state != "ok")
