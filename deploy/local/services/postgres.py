"""A Postgres of our own for both databases; durable, and configured for many writes on a small machine.

Postgres does not run as root. If root calls, it runs as the user `postgres`; if that user may not enter the folder of
the clone, Postgres gets the capability to do so and no other.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from deploy.local.failure import Failure
from deploy.local.places import ROOT, Instance, write_private
from deploy.local.ports import LOOPBACK
from deploy.local.programs import SERVICE, Program

PORTS = ("postgres",)
USER = "exchange"

_ACCOUNT = "postgres"
_CAPABILITY = "+dac_override"


def program_path() -> str | None:
    """Return the path of the newest server; None: none is installed."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    return str(installed[-1]) if installed else shutil.which("postgres")


def url(ports: Mapping[str, int], password: str, database: str) -> str:
    """Return the address of one of the databases."""
    return f"postgresql://{USER}:{password}@{LOOPBACK}:{ports['postgres']}/{database}"


def programs(instance: Instance, ports: Mapping[str, int], password: str) -> list[Program]:
    """Make the data folder if it is missing, write the configuration, and return the programs.

    raises  Failure  Postgres is not installed, or cannot use this folder
    """
    folder = instance.folder("postgres")
    data = folder / "data"
    server = _server_of(data)
    run_as = other_user(folder)
    if not (data / "PG_VERSION").exists():
        _make(server.with_name("initdb"), folder, password, run_as)
    settings = data / "exchange.conf"
    write_private(settings, (ROOT / "deploy" / "postgresql.conf").read_text())
    own(settings)
    options = {
        "config_file": settings,
        "listen_addresses": LOOPBACK,
        "port": ports["postgres"],
        "unix_socket_directories": "",
    }
    if _knows_lz4(server, data, settings, run_as):
        options["wal_compression"] = "lz4"
    return [
        Program(
            "postgres",
            SERVICE,
            (str(server), "-D", str(data), *(f"--{name}={value}" for name, value in options.items())),
            stop_signal="INT",  # ends at once, without waiting for clients to disconnect
            stop_wait_s=60,
            on_orphaned="INT",
            run_as=run_as,
        )
    ]


def _knows_lz4(server: Path, data: Path, settings: Path, run_as: tuple[str, ...]) -> bool:
    """Return whether the server supports lz4, which takes a tenth of the time; most do from version 15 on."""
    options = ["-D", str(data), "-C", "wal_compression", f"--config_file={settings}", "--wal_compression=lz4"]
    return subprocess.run([*run_as, server, *options], check=False, cwd="/", capture_output=True).returncode == 0


def _server_of(data: Path) -> Path:
    """Return the server for the version of the data; without data, the newest one."""
    version_file = data / "PG_VERSION"
    newest = program_path()
    if newest is None:
        raise Failure("Postgres is not installed: install postgresql, or set CLEARING_DATA_URL and MARKET_DATA_URL")
    if not version_file.exists() or not newest.startswith("/usr/lib/postgresql/"):
        return Path(newest).resolve()
    version = version_file.read_text().strip()
    server = Path("/usr/lib/postgresql") / version / "bin" / "postgres"
    if not server.exists():
        raise Failure(f"the data in {data} belong to Postgres {version}: install postgresql-{version}, or `make clean`")
    return server


def other_user(folder: Path) -> tuple[str, ...]:
    """Return the words that make a command run as Postgres' user in a folder; empty unless we are root."""
    if os.geteuid() != 0:
        return ()
    try:
        account = pwd.getpwnam(_ACCOUNT)
    except KeyError:
        raise Failure(
            f"Postgres does not run as root and there is no user {_ACCOUNT}: create it, and start again"
        ) from None
    own(folder)
    plain = ("setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups")
    capable = (*plain, f"--inh-caps={_CAPABILITY}", f"--ambient-caps={_CAPABILITY}")
    for run_as in (plain, capable):
        # Asking the kernel for permission would ignore the capability; entering the folder does not.
        entering = [*run_as, "env", f"--chdir={folder}", "true"]
        if subprocess.run(entering, check=False, capture_output=True).returncode == 0:
            return run_as
    raise Failure(
        f"the user {_ACCOUNT} may not enter {folder}: move the clone to another folder, or do not run as root"
    )


def own(path: Path) -> None:
    """Give a file to Postgres' user, if root calls."""
    if os.geteuid() == 0:
        shutil.chown(path, _ACCOUNT, _ACCOUNT)


def _make(initdb: Path, folder: Path, password: str, run_as: tuple[str, ...]) -> None:
    password_file = folder / "password"
    write_private(password_file, password + "\n")
    own(password_file)
    shutil.rmtree(folder / "data", ignore_errors=True)  # left over from an interrupted start
    try:
        made = subprocess.run(
            [
                *run_as, initdb, "-D", folder / "data", "--username", USER, "--pwfile", password_file,
                "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C",
            ],
            check=False,
            cwd="/",
            capture_output=True,
            text=True,
        )  # fmt: skip
    finally:
        password_file.unlink()
    if made.returncode != 0:
        raise Failure(
            f"Postgres could not make its data folder {folder / 'data'}: {made.stderr.strip()}; "
            "correct that, and start again"
        )
