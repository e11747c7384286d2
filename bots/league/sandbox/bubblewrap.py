"""Starts a process in namespaces of its own, in which it sees Python, the libraries, our rules and one bot's file.

It has no network, no other processes, no user of this machine, no place to write, and the variables below.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from bots.league.sandbox import confinement

# The place of the bot's file in the sandbox.
FOLDER = Path("/bot")
_ROOT = Path(__file__).parents[3]
# The packages that the process imports; nothing else of the project is in the sandbox.
_PACKAGES = ("bots", "tasks")
_NAMESPACES = ("user", "ipc", "pid", "net", "uts", "cgroup-try")


class NoSandbox(Exception):
    """This machine cannot confine bots; the text says why and what to do."""


@cache
def require() -> None:
    """Check once that bubblewrap works here. Raises NoSandbox."""
    if (reason := _hindrance()) is not None:
        raise NoSandbox(
            f"files of strangers run under bubblewrap, which does not work here ({reason}); "
            "--trust runs them without it, with all that your user may do"
        )


def _hindrance() -> str | None:
    if not confinement.supports_this_machine():
        return "its system calls are known for x86_64 and aarch64 only"
    if shutil.which("bwrap") is None:
        return "install it with: sudo apt-get install bubblewrap"
    tried = subprocess.run(  # noqa: S603 - a fixed command
        [*_command(None), "-c", ""], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return None if tried.returncode == 0 else tried.stderr.strip().partition("\n")[0] or f"status {tried.returncode}"


def start(file: Path | None) -> subprocess.Popen[bytes]:
    """Start the process of a bot, with pipes to it and from it; `file` is the bot's own."""
    return subprocess.Popen(  # noqa: S603 - a module of ours
        [*_command(file), "-m", "bots.league.sandbox.guest"],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def _command(file: Path | None) -> list[str]:
    python = _python()
    libraries = [sysconfig.get_paths()[name] for name in ("purelib", "platlib")]
    variables = {
        "PYTHONPATH": os.pathsep.join([str(_ROOT), *dict.fromkeys(libraries)]),
        "PYTHONHOME": sys.base_prefix,
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "LANG": "C.UTF-8",
    }
    return [
        "bwrap",
        *(f"--unshare-{name}" for name in _NAMESPACES),
        *("--uid", "65534", "--gid", "65534", "--hostname", "bot"),
        *("--die-with-parent", "--new-session", "--as-pid-1", "--cap-drop", "ALL", "--clearenv"),
        *(part for name, value in variables.items() for part in ("--setenv", name, value)),
        *_places(python, libraries),
        *([] if file is None else ["--ro-bind", str(file), str(FOLDER / file.name)]),
        *("--remount-ro", "/", "--chdir", "/"),
        *(str(python), "-S", "-B"),
    ]


def _python() -> Path:
    """Return the interpreter itself: that of a virtual environment may be a copy, which needs files next to it."""
    named = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    return (named if named.exists() else Path(sys.executable)).resolve()


def _places(python: Path, libraries: list[str]) -> Iterator[str]:
    """Yield the options that put Python, the libraries and our packages into the sandbox, read-only."""
    for folder in map(Path, ("/lib", "/lib64", "/usr/lib", "/usr/lib64")):
        if folder.is_symlink():
            yield from ("--symlink", str(folder.readlink()), str(folder))
        elif folder.is_dir():
            yield from ("--ro-bind", str(folder), str(folder))
    own = [Path(sys.base_prefix) / "lib", python, *map(Path, libraries), *(_ROOT / name for name in _PACKAGES)]
    for place in dict.fromkeys(own):
        if not place.is_relative_to("/usr/lib"):
            yield from ("--ro-bind", str(place), str(place))
    yield from ("--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache")
