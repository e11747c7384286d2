"""`make clean`: stops everything and drops all data of this clone's exchange."""

from __future__ import annotations

import shutil

from deploy.local.addresses import SERVICE_URLS
from deploy.local.commands import down
from deploy.local.failure import Failure, ending
from deploy.local.lock import alone
from deploy.local.places import EXCHANGE, TESTS, Instance, read_json
from deploy.local.steps import step
from deploy.local.supervisor import Supervisor

# Every instance has it; `make up` did not make a folder without it.
_OURS = "supervisor.conf"


def main() -> int:
    """Stop, and remove the folders of the exchange and of its tests."""
    for instance in (EXCHANGE, TESTS):
        if instance.directory.exists():
            _remove(instance)
    return 0


def _remove(instance: Instance) -> None:
    if instance.directory.is_symlink() or not (instance.directory / _OURS).exists():
        raise Failure(f"{instance.directory} was not made by `make up`: remove it yourself if it is not needed")
    kept = sorted(set(SERVICE_URLS.values()) - read_json(instance.directory / "passwords.json").keys())
    with alone(instance):
        supervisor = Supervisor(instance)
        if supervisor.runs():
            down.stop(supervisor)
        with step(f"drop {instance.directory.name}"):
            shutil.rmtree(instance.directory)
    if kept:
        print(f"the data in {' and '.join(kept)} stay: `make up` did not start them")


if __name__ == "__main__":
    raise SystemExit(ending(main))
