"""The environment of a running instance, kept in a file that a shell can read, too: `. .run/env`.

Standard library only.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from deploy.local.places import Instance, write_private


def write(instance: Instance, environment: Mapping[str, str]) -> None:
    """Keep an environment."""
    lines = [f"export {name}={shlex.quote(text)}\n" for name, text in sorted(environment.items())]
    write_private(instance.environment_file, "".join(lines))


def read(instance: Instance) -> dict[str, str]:
    """The environment that was kept; empty when none was."""
    if not instance.environment_file.exists():
        return {}
    assignments = shlex.split(instance.environment_file.read_text())[1::2]  # without the word export
    return dict(assignment.split("=", 1) for assignment in assignments)
