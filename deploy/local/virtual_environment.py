"""Makes the virtual environment and installs the libraries with pinned hashes.

Standard library only.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import venv
from pathlib import Path

from deploy.local.failure import Failure
from deploy.local.places import ROOT, VENV_PYTHON, VIRTUAL_ENVIRONMENT, Instance, read_json, write_private
from deploy.local.steps import step

RUNNING = "requirements.txt"
LEAGUE = "bots/league/requirements.txt"
TESTING = "tests/requirements.txt"

# Each file contains everything from those before it, in the same versions.
_GROWING = (RUNNING, LEAGUE, TESTING)

# The installed files by their hashes, so that an unchanged file is not installed again.
_STAMP = VIRTUAL_ENVIRONMENT / "installed.json"


def require(instance: Instance, requirements: str) -> None:
    """Install the libraries of a requirements file, unless they are installed.

    raises  Failure  pip cannot install them
    """
    wanted_hashes = {name: _hash(name) for name in _GROWING[: _GROWING.index(requirements) + 1]}
    installed = read_json(_STAMP)
    if VENV_PYTHON.exists() and wanted_hashes.items() <= installed.items():
        return
    if not VENV_PYTHON.exists():
        with step("virtual environment"):
            venv.create(VIRTUAL_ENVIRONMENT, with_pip=True, clear=True)
    with step(f"libraries of {requirements}"):
        _install(requirements, instance.folder("logs") / "pip.log")
    write_private(_STAMP, json.dumps(wanted_hashes, indent=2) + "\n")


def _hash(requirements: str) -> str:
    return hashlib.sha256((ROOT / requirements).read_bytes()).hexdigest()


def _install(requirements: str, log: Path) -> None:
    command = [
        str(VENV_PYTHON),
        "-m",
        "pip",
        "install",
        "--require-hashes",
        "--disable-pip-version-check",
        "-r",
        requirements,
    ]
    with log.open("w") as out:
        done = subprocess.run(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        said = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("ERROR: ")]
        raise Failure(
            f"pip could not install {requirements}: {' '.join(said)[:400]}; see {log}, and run the command again"
        )
