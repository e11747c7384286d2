"""`make test` ends with SIGTERM, also if a shell has started it in its background, where SIGINT is ignored."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.supervisor import wait_until
from tests.support.exchange import ROOT

PROGRAM = """
import signal, sys
from deploy.local.commands import test

signal.signal(signal.SIGINT, getattr(signal, sys.argv[1]))
signal.signal(signal.SIGTERM, test._interrupt)
sys.exit(test._pytest([sys.argv[2]], {}))
"""
SLEEPS = """
import os, time
from pathlib import Path

def test_sleeps():
    Path(__file__).with_name("pid.new").write_text(str(os.getpid()))
    Path(__file__).with_name("pid.new").rename(Path(__file__).with_name("pid"))
    time.sleep(600)
"""


@pytest.mark.parametrize("interrupt", ["SIG_IGN", "default_int_handler"])
def test_sigterm_ends_the_tests(tmp_path: Path, interrupt: str) -> None:
    (tmp_path / "test_sleeps.py").write_text(SLEEPS)
    command = [sys.executable, "-c", PROGRAM, interrupt, str(tmp_path / "test_sleeps.py")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as program:
        pid = tmp_path / "pid"
        wait_until(pid.exists, 120, "the tests did not begin")
        tests = Path("/proc") / str(int(pid.read_text()))
        program.terminate()
        assert program.wait(120) != 0
        assert not tests.exists()
