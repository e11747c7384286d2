"""Processes that were started inside a block end with it, even orphans that ignore SIGTERM."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.exchange import ROOT

# A program whose child leaves a grandchild behind, in a session of its own. The grandchild prints its process id, and
# the child ends only then.
STARTS = """
import subprocess, sys
from deploy.local.descendants import ended

with ended(patience_s=0.5):
    subprocess.run([sys.executable, "-c", sys.argv[1]])
    raise KeyboardInterrupt
"""
CHILD = """
import os, signal, time
read, write = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        {handle}
        print(os.getpid(), flush=True)
        os.write(write, b".")
        time.sleep(600)
else:
    os.wait()
    os.read(read, 1)
"""


# While it waits for a child, an adopted grandchild ends; it prints whether that still exists.
WAITS = """
import subprocess, sys
from pathlib import Path
from deploy.local.descendants import ended, wait

with ended():
    heir = subprocess.Popen([sys.executable, "-c", sys.argv[1]])
    sys.exit(wait(heir))
"""
HEIR = """
import os, sys, time
from pathlib import Path
read, write = os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        os.write(write, str(os.getpid()).encode())
        os._exit(0)
    os._exit(0)
os.wait()
grandchild = Path("/proc") / os.read(read, 20).decode()
deadline = time.monotonic() + 20
while grandchild.exists() and time.monotonic() < deadline:
    time.sleep(0.01)
sys.exit(7 if grandchild.exists() else 6)
"""


def left_behind(handle: str) -> Path:
    """Return the grandchild's folder in /proc, after the end of the block."""
    with subprocess.Popen(
        [sys.executable, "-c", STARTS, CHILD.format(handle=handle)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as program:
        assert program.stdout
        pid = int(program.stdout.readline())
        assert program.wait(30) != 0  # the exception from the block continues
    return Path("/proc") / str(pid)


def test_a_daemon_gets_sigterm_first() -> None:
    assert not left_behind("pass").exists()


def test_a_process_that_ignores_sigterm_is_killed() -> None:
    assert not left_behind("signal.signal(signal.SIGTERM, signal.SIG_IGN)").exists()


def test_ended_processes_are_reaped() -> None:
    assert subprocess.run([sys.executable, "-c", WAITS, HEIR], cwd=ROOT, check=False, timeout=60).returncode == 6
