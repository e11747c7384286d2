"""Commands of the system that change the network."""

from __future__ import annotations

import subprocess

from deploy.local.failure import Failure


def run(*command: str) -> None:
    """Run a command. Raises Failure, with what it said."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(f"`{' '.join(command)}` failed: {done.stderr.strip()}")
