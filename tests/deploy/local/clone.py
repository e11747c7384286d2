"""Another clone of this repository on the same machine, with the libraries of this one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from deploy.local.addresses import SERVICE_URLS

ROOT = Path(__file__).parents[3]
COPIED = ("api", "bench", "bots", "celery_app", "db", "deploy", "tasks", "tests", "requirements.txt", "Makefile")


class Clone:
    """Commands of a clone, called as `make` calls them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for name in COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, folder / name)
        (folder / ".venv").symlink_to(Path(sys.prefix))

    def call(self, command: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command, without the addresses of the tests' services."""
        environment = {name: text for name, text in os.environ.items() if name not in {*SERVICE_URLS, "RUN_DIRECTORY"}}
        return subprocess.run(
            [sys.executable, "-m", "deploy.local", command, *arguments],
            cwd=self.folder,
            env=environment | variables,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
