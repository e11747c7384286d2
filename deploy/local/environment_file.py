"""The environment of a running instance, in a file that a shell can read: `. .run/env`.

Standard library only.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from deploy.local.places import Instance, write_private


def write(instance: Instance, environment: Mapping[str, str]) -> None:
    """Write the environment of an instance."""
    lines = [f"export {name}={shlex.quote(text)}\n" for name, text in sorted(environment.items())]
    write_private(instance.environment_file, "".join(lines))


def read(instance: Instance) -> dict[str, str]:
    """Return the environment of an instance; empty if it was never started."""
    if not instance.environment_file.exists():
        return {}
    assignments = shlex.split(instance.environment_file.read_text())[1::2]  # without the word export
    return dict(assignment.split("=", 1) for assignment in assignments)
