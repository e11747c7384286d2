"""Programs that start in a fraction of the time and share memory: forks of a process that has loaded their libraries.

A fork runs its module as `python -m` does, and `ps` and `/proc` show what they would show of a process that was started
with that command. Linux only. Standard library only, and no function that gevent replaces, because its patches may come
before this module is loaded, or after it.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import runpy
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

# From linux/prctl.h.
_SET_NAME = 15
_SET_MM = 35
_SET_MM_MAP = 14

# The first fields of the map, in their order.
_ADDRESSES = (
    "start_code", "end_code", "start_data", "end_data", "start_brk", "brk", "start_stack",
    "arg_start", "arg_end", "env_start", "env_end",
)  # fmt: skip

# Where /proc/PID/stat has what the map needs, counted from the field behind the name; proc_pid_stat(5) counts from 3.
_IN_STAT = {
    "start_code": 26 - 3,
    "end_code": 27 - 3,
    "start_stack": 28 - 3,
    "start_data": 45 - 3,
    "end_data": 46 - 3,
    "start_brk": 47 - 3,
}

# The time [ns] and size [bytes] of a file; None: it cannot be read.
Version = tuple[int, int] | None


class _MemoryMap(ctypes.Structure):
    """`struct prctl_mm_map` of linux/prctl.h; all fields are addresses in the memory of this process."""

    _fields_ = (
        *((name, ctypes.c_uint64) for name in _ADDRESSES),
        ("auxv", ctypes.c_void_p),
        ("auxv_size", ctypes.c_uint32),
        ("exe_fd", ctypes.c_uint32),
    )


def load(modules: Iterable[str]) -> dict[Path, Version]:
    """Import modules; return the versions of the files of everything that is loaded then, None if one is uncertain.

    Forks share what that leaves in memory, because the garbage collector leaves it alone.
    """
    began_ns = time.time_ns()
    for name in modules:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    files = [Path(file) for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None))]
    versions = {file: version for file in files if (version := version_of(file))}  # a few have no file of their own
    # What changed in the meantime may be loaded as it was before.
    return {file: version if version[0] < began_ns else None for file, version in versions.items()}


def version_of(file: Path) -> Version:
    """Return the version of a file."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def are_current(versions: Mapping[Path, Version]) -> bool:
    """Return whether all files have these versions."""
    return None not in versions.values() and all(version_of(file) == one for file, one in versions.items())


def show(words: Sequence[str], environment: Mapping[str, str]) -> None:
    """Make `ps` and `/proc` show this command and these variables for this process.

    raises  OSError  the kernel does not allow it; nothing has changed
    """
    command = b"".join(os.fsencode(word) + b"\0" for word in words)
    variables = b"".join(os.fsencode(f"{name}={text}") + b"\0" for name, text in environment.items())
    shown = ctypes.create_string_buffer(command + variables, len(command) + len(variables))
    start = ctypes.addressof(shown)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.sbrk.restype = ctypes.c_void_p
    stat = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    wanted = _MemoryMap(
        **{name: int(stat[place]) for name, place in _IN_STAT.items()},
        brk=libc.sbrk(0),
        arg_start=start,
        arg_end=start + len(command),
        env_start=start + len(command),
        env_end=start + len(command) + len(variables),
        exe_fd=0xFFFFFFFF,  # none: the file stays the same
    )
    size = ctypes.c_ulong(ctypes.sizeof(wanted))
    if libc.prctl(_SET_MM, _SET_MM_MAP, ctypes.byref(wanted), size, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    _shown.append(shown)  # the kernel reads it whenever somebody asks
    libc.prctl(_SET_NAME, os.fsencode(Path(words[0]).name), 0, 0, 0)


_shown: list[ctypes.Array[ctypes.c_char]] = []


def run(words: Sequence[str], environment: Mapping[str, str]) -> None:
    """Run a module as `python -m` does, with these words behind `-m`, and these variables alone."""
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = list(words)
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)
