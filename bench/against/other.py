"""The exchange of another commit: a clone with a virtual environment, services and ports of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local import environment_file, ports
from deploy.local.addresses import WITH_PASSWORDS
from deploy.local.failure import Failure
from deploy.local.places import ROOT, Instance
from deploy.local.steps import step

FOLDER = ROOT / ".run-against"

# What belongs to the exchange of this tree; other variables apply to both.
_OWN_VARIABLES = frozenset({*WITH_PASSWORDS, "RUN_DIRECTORY", "API_PORT", "FLOWER_PORT", "BOTS", "PUBLIC"})


@dataclass(frozen=True, slots=True)
class OtherCommit:
    """A commit and the folder of its clone."""

    commit: str
    folder: Path

    @property
    def python(self) -> Path:
        """The interpreter with the libraries of the commit, once its exchange has run."""
        return self.folder / ".venv" / "bin" / "python"

    @contextmanager
    def running(self) -> Iterator[dict[str, str]]:
        """Run a new exchange without bots inside the block; gives the environment that names its services.

        raises  Failure  it does not start
        """
        chosen = ports.choose(Instance(self.folder), ["api", "flower"], running=False)
        try:
            self._call("up", BOTS="none", API_PORT=str(chosen["api"]), FLOWER_PORT=str(chosen["flower"]))
            yield environment_file.read(Instance(self.folder / ".run")) | {"API_PORT": str(chosen["api"])}
        finally:
            self.clean()

    def clean(self) -> None:
        """Stop the exchange and drop its data; the clone and its libraries stay for the next time."""
        if (self.folder / ".run" / "supervisor.conf").exists():
            self._call("clean")

    def _call(self, command: str, **variables: str) -> None:
        """Run what `make` runs in the clone."""
        inherited = {name: text for name, text in os.environ.items() if name not in _OWN_VARIABLES}
        done = subprocess.run(
            [_base_python(), "-m", "deploy.local", command],
            cwd=self.folder,
            env=inherited | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise Failure(f"`make {command}` of {self.commit} failed in {self.folder}: {said[-1] if said else ''}")


def clone(commit: str, folder: Path = FOLDER) -> OtherCommit:
    """Clone this repository at a commit, or take the clone of an earlier comparison.

    raises  Failure  the repository has no such commit
    """
    found = _git("rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}")
    if found.returncode != 0:
        raise Failure(f"this repository has no commit {commit}: name one that `git log` lists")
    full = found.stdout.strip()
    other = OtherCommit(full[:12], folder / full[:12])
    if not (other.folder / ".git").exists():
        with step(f"clone {other.commit}"):
            folder.mkdir(parents=True, exist_ok=True)
            for arguments in (
                ("clone", "--quiet", "--no-checkout", str(ROOT), str(other.folder)),
                ("-C", str(other.folder), "checkout", "--quiet", "--detach", full),
            ):
                done = _git(*arguments)
                if done.returncode != 0:
                    raise Failure(f"git could not clone {commit}: {done.stderr.strip()}")
    other.clean()  # what a comparison that was killed left running
    return other


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def _base_python() -> str:
    """Return the interpreter that this virtual environment was made with."""
    return str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}")
