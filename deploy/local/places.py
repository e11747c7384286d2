"""Paths: the clone, its virtual environment, and the folder of a running instance."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
VIRTUAL_ENVIRONMENT = ROOT / ".venv"
VENV_PYTHON = VIRTUAL_ENVIRONMENT / "bin" / "python"


@dataclass(frozen=True, slots=True)
class Instance:
    """An exchange with its folder, which contains data of the services, logs, sockets, ports and secrets."""

    directory: Path

    @property
    def logs(self) -> Path:
        """The folder of the logs, one file for each process."""
        return self.directory / "logs"

    @property
    def supervisor_socket(self) -> Path:
        """The supervisor's Unix socket."""
        return self.directory / "supervisor.sock"

    @property
    def environment_file(self) -> Path:
        """The environment of the processes, in a form that a shell can read."""
        return self.directory / "env"

    def folder(self, name: str) -> Path:
        """Make and return a folder in it that only its owner may enter."""
        folder = self.directory / name
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        return folder


EXCHANGE = Instance(ROOT / ".run")
TESTS = Instance(ROOT / ".run-test")


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner can read, completely or not at all."""
    partial = file.with_name(f"{file.name}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)
    partial.rename(file)


def read_json(file: Path) -> dict[str, Any]:
    """Return the content of a file of ours; empty if it does not exist."""
    return json.loads(file.read_text()) if file.exists() else {}
