"""Python and a shell read the same environment from the file."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

from deploy.local import environment_file
from deploy.local.places import Instance

ENVIRONMENT = {"PLAIN": "1", "EMPTY": "", "ODD": 'it\'s 50% of "$HOME" `id` \\ = #x;y'}


def test_the_environment_is_read_as_written(tmp_path: Path) -> None:
    instance = Instance(tmp_path)
    assert environment_file.read(instance) == {}
    environment_file.write(instance, ENVIRONMENT)
    assert environment_file.read(instance) == ENVIRONMENT
    assert stat.S_IMODE(instance.environment_file.stat().st_mode) == 0o600


def test_a_shell_reads_it_too(tmp_path: Path) -> None:
    instance = Instance(tmp_path)
    environment_file.write(instance, ENVIRONMENT)
    script = f'. {instance.environment_file} && printf "%s" "$ODD"'
    assert subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout == ENVIRONMENT["ODD"]
