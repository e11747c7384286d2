"""Installs missing programs from the packages of Debian or Ubuntu, or names the packages for the caller to install.

Standard library only: it runs before there is a virtual environment.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
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
# Packages of tools that start a service of their own.
_UNITS_OF_TOOLS = frozenset({"caddy", "prometheus", "etcd", "patroni", "haproxy"})

# Chromium without its windows, which takes half of its processor time.
BROWSER = "chromium-headless-shell"

_OS_RELEASE = Path("/etc/os-release")
# Ubuntu's package installs the snap, which is the only Chromium that Ubuntu has.
_NAMES_ON_UBUNTU = {BROWSER: "chromium-browser"}
# Tools that others can stand in for, in the order in which they are taken.
_STAND_INS = {BROWSER: ("chromium", "chromium-browser")}
# Tools that are part of a package with another name.
_PACKAGES_OF_TOOLS = {"promtool": "prometheus", "bwrap": "bubblewrap", "etcd": "etcd-server", "ip": "iproute2"}

# Packages ask it before they start a service; status 101 forbids the start.
_START_POLICY = Path("/usr/sbin/policy-rc.d")
# The package postgresql reads it to decide whether to create a database of its own.
_CLUSTER_POLICY = Path("/etc/postgresql-common/createcluster.d/stock-exchange.conf")


def require(instance: Instance, services: Collection[str], *, tools: Collection[str] = ()) -> None:
    """Install the programs of the services, the tools, and what a virtual environment needs, where they are missing.

    tools   programs by their names
    raises  Failure  they are missing, and this process cannot install them
    """
    missing = [PACKAGES[name] for name in services if _PROGRAMS[name]() is None]
    missing += [_package_of(tool) for tool in tools if path_of(tool) is None]
    if importlib.util.find_spec("ensurepip") is None:
        missing.append(f"python{sys.version_info.major}.{sys.version_info.minor}-venv")
    if shutil.which("setpriv") is None:
        missing.append("util-linux")
    if not missing:
        return
    listed = " ".join(missing)
    if shutil.which("apt-get") is None:
        raise Failure(
            "some programs are missing, and this command can install them only on Debian and Ubuntu; "
            f"install your system's packages for {listed}, or use Docker: cp .env.example .env && docker-compose up"
        )
    if os.geteuid() != 0:
        raise Failure(
            f"some programs are missing; install them with: sudo apt-get install --no-install-recommends {listed}"
        )
    with step(f"packages: {listed}"):
        _install(missing, instance.folder("logs") / "apt.log")


def path_of(tool: str) -> str | None:
    """Return the path of a tool, or of one that stands in for it, or None if neither is installed."""
    return next(filter(None, map(shutil.which, (tool, *_STAND_INS.get(tool, ())))), None)


def _package_of(tool: str) -> str:
    """Return the package of a tool on this system."""
    package = _PACKAGES_OF_TOOLS.get(tool, tool)
    return _NAMES_ON_UBUNTU.get(package, package) if _is_ubuntu() else package


def can_install() -> bool:
    """Return whether this process may install packages."""
    return shutil.which("apt-get") is not None and os.geteuid() == 0


def _is_ubuntu() -> bool:
    return _OS_RELEASE.exists() and "ID=ubuntu" in _OS_RELEASE.read_text().splitlines()


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
                raise Failure(
                    f"apt-get could not install {' '.join(packages)}: {' '.join(said)[:400]}; see {log}, "
                    "install them by hand, and start again"
                )
        if shutil.which("systemctl"):
            # The packages' own services must not start with the machine: the exchange runs services of its own.
            units = [*_UNITS, *sorted(_UNITS_OF_TOOLS & {package.removesuffix("-server") for package in packages})]
            subprocess.run(["systemctl", "disable", "--quiet", *units], stdout=out, stderr=out, check=False)


@contextmanager
def nothing_started() -> Iterator[None]:
    """Keep packages from starting services and creating databases inside the block."""
    wanted: Mapping[Path, tuple[str, int]] = {
        _START_POLICY: (
            "#!/bin/sh\n# Made by `make up` while it installs packages; remove it.\nexit 101\n",
            0o755,
        ),
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
