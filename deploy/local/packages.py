"""Installs the services from Debian's packages where it may, and says what to install where it may not.

Standard library only: it runs before there is a virtual environment.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from deploy.local.failure import Failure
from deploy.local.places import Instance
from deploy.local.services import postgres, rabbitmq, redis
from deploy.local.steps import step

_PROGRAMS = {"RabbitMQ": rabbitmq.program_path, "Postgres": postgres.program_path, "Redis": redis.program_path}
PACKAGES = {"RabbitMQ": "rabbitmq-server", "Postgres": "postgresql", "Redis": "redis-server"}
_UNITS = ("rabbitmq-server", "epmd.socket", "postgresql", "redis-server")

# Asked by every package that wants to start its service: status 101 forbids it.
_START_POLICY = Path("/usr/sbin/policy-rc.d")
# Asked by the package postgresql whether to make a database of its own.
_CLUSTER_POLICY = Path("/etc/postgresql-common/createcluster.d/stock-exchange.conf")


def require(instance: Instance, services: Collection[str], *, tools: Collection[str] = ()) -> None:
    """See that the programs of the services, and what a virtual environment takes, are installed.

    tools   programs whose packages have their names
    raises  Failure  they are not, and cannot be installed from here
    """
    missing = [PACKAGES[name] for name in services if _PROGRAMS[name]() is None]
    missing += [tool for tool in tools if shutil.which(tool) is None]
    if importlib.util.find_spec("ensurepip") is None:
        missing.append("python3-venv")
    if shutil.which("setpriv") is None:
        missing.append("util-linux")
    if not missing:
        return
    listed = " ".join(missing)
    if shutil.which("apt-get") is None:
        raise Failure(f"missing programs; install what your system calls {listed}, or use Docker: docker-compose up")
    if os.geteuid() != 0:
        raise Failure(f"missing programs; install them with: sudo apt-get install --no-install-recommends {listed}")
    with step(f"packages: {listed}"):
        _install(missing, instance.folder("logs") / "apt.log")


def _install(packages: Collection[str], log: Path) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    with nothing_started(), log.open("w") as out:
        for command in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
            done = subprocess.run(
                ["apt-get", "-o", "DPkg::Lock::Timeout=120", "--quiet", *command],
                env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, check=False,
            )  # fmt: skip
            if done.returncode != 0 and command[0] == "install":
                said = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("E: ")]
                raise Failure(f"apt-get could not install {' '.join(packages)}: {' '.join(said)[:400]}; see {log}")
        if shutil.which("systemctl"):
            # What came with the packages is not to start with the machine: the exchange runs services of its own.
            units = [*_UNITS, *({"caddy"} & set(packages))]
            subprocess.run(["systemctl", "disable", "--quiet", *units], stdout=out, stderr=out, check=False)


@contextmanager
def nothing_started() -> Iterator[None]:
    """Inside the block packages start no service and make no database."""
    wanted: Mapping[Path, tuple[str, int]] = {
        _START_POLICY: ("#!/bin/sh\n# Of `make up` while it installs packages; to be removed.\nexit 101\n", 0o755),
        _CLUSTER_POLICY: ("create_main_cluster = false\n", 0o644),
    }
    made = [file for file in wanted if not file.exists()]
    try:
        for file in made:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(wanted[file][0])
            file.chmod(wanted[file][1])
        yield
    finally:
        for file in made:
            file.unlink(missing_ok=True)
