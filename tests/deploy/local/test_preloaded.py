"""Workers are forks of the supervisor, and look like any process; what must not share its memory starts as usual."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from celery_app.topology import STAGES
from deploy.local.places import ROOT, VENV_PYTHON, Instance
from deploy.local.preloaded import is_forked
from deploy.local.programs import WORKER, Program
from deploy.local.supervisor import Supervisor, wait_until
from deploy.local.variables import from_environment

# In each fork, what it would become is printed instead.
BECOME = """
import os, sys
from pathlib import Path
from deploy.local import forks, preloaded

def not_possible(*_):
    raise OSError("not on this kernel")

os.execve = lambda *_: (print("started as usual"), sys.exit())
forks.show = {show}
preloaded.run = lambda *_: (print("forked"), sys.exit())
versions = {{Path(name): forks.version_of(Path(name)) for name in {files}}}
{after}
preloaded.become(versions, "setpriv", ["setpriv", "--pdeathsig", "TERM", "python", "-m", {module!r}], {{}})
"""


def said_by(script: str) -> list[str]:
    """Run a Python program in the folder of the project; return the lines that it prints."""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return done.stdout.decode().splitlines()


@pytest.mark.parametrize("variables", [{}, {"SHARDS": "3"}, {"BOTS": "flood"}])
def test_workers_are_forks_and_bots_and_webs_are_not(variables: dict[str, str]) -> None:
    forked = {
        name
        for name, process in from_environment(variables).processes(shards=2)
        if is_forked([str(VENV_PYTHON), "-m", *process.command])
    }
    others = {"scheduler", "referee", "catch_up", "flower"}
    assert forked == {"order_entry", "matching.0", "matching.1", "order_execution", "data_feed"} | others


def test_what_is_loaded_reads_no_setting_and_starts_nothing() -> None:
    said = said_by(
        "import os, threading; before = os.listdir('/proc/self/fd')\n"
        "from deploy.local import forks, preloaded; forks.load(preloaded.LOADED)\n"
        "from celery_app.settings import settings\n"
        "print(settings.cache_info().currsize, threading.active_count(), os.listdir('/proc/self/fd') == before)"
    )
    assert said == ["0 1 True"]


def test_a_fork_loads_only_the_modules_that_run_and_the_tasks_of_its_stages() -> None:
    own = [*(f"tasks.{stage}.task" for stage in STAGES), "tasks.catch_up.__main__", "tasks.referee.__main__"]
    said = said_by(
        "import importlib, sys\n"
        "from deploy.local import forks, preloaded; forks.load(preloaded.LOADED)\n"
        f"for name in {own}:\n"
        "    before = set(sys.modules)\n"
        "    importlib.import_module(name)\n"
        "    print(*sorted(set(sys.modules) - before))"
    )
    assert said == own


@pytest.mark.parametrize(
    ("module", "show", "after", "becomes"),
    [
        ("celery_app", "print", "", "forked"),
        ("bots", "print", "", "started as usual"),
        ("celery_app", "not_possible", "", "started as usual"),
        ("celery_app", "print", "Path({changed!r}).write_text('a longer module')", "started as usual"),
        ("celery_app", "print", "Path({changed!r}).unlink()", "started as usual"),
    ],
    ids=["worker", "bot", "kernel", "changed", "removed"],
)
def test_a_fork_runs_what_is_in_the_files(module: str, show: str, after: str, becomes: str, tmp_path: Path) -> None:
    changed = tmp_path / "module.py"
    changed.write_text("a module")
    script = BECOME.format(module=module, show=show, files=[str(changed)], after=after.format(changed=str(changed)))
    assert said_by(script)[-1] == becomes


def test_what_cannot_be_loaded_starts_as_usual_and_fails_by_itself() -> None:
    said = said_by(
        "from deploy.local import preloaded; preloaded.LOADED = ('tasks.nowhere',)\n"
        "preloaded.main = lambda: print('supervises')\n"
        "from supervisor.options import ServerOptions; usual = ServerOptions.execve\n"
        "preloaded.supervise(); print(ServerOptions.execve is usual)"
    )
    assert said == ["supervises", "True"]


# A module that is run as a fork's; the supervisor has replaced Python's streams.
ENDS = """
import os, sys
from deploy.local import forks, preloaded

def module(*_):
    print("printed")
    sys.stderr.write("an odd character: \\udc80\\n")
    {ends}

forks.run = module
sys.stdin, sys.stdout, sys.stderr = open("/dev/null"), open("/dev/null", "w"), open("/dev/null", "w")
{before}
preloaded.run(["module"], {{}})
os.kill(os.getpid(), 9)  # it would go on as a supervisor
"""


def ended(*, ends: str, before: str = "") -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", ENDS.format(ends=ends, before=before)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return done.returncode, done.stdout.decode()


@pytest.mark.parametrize(
    ("ends", "status", "last"),
    [
        ("pass", 0, "an odd character"),
        ("sys.exit()", 0, "an odd character"),
        ("sys.exit(75)", 75, "an odd character"),
        ("sys.exit('there is no queue')", 1, "there is no queue"),
        ("sys.exit(2**40)", 0, "an odd character"),
        ("raise ValueError('a fault')", 1, "ValueError: a fault"),
        ("os._exit(70)", 70, "an odd character"),
    ],
)
def test_a_fork_ends_and_says_why_as_a_program_does(ends: str, status: int, last: str) -> None:
    got, said = ended(ends=ends)
    assert got == status
    assert said.startswith("printed\nan odd character: \\udc80\n")
    assert said.splitlines()[-1].startswith(last)


def test_a_fork_ends_although_its_output_is_not_read() -> None:
    no_reader = "read, write = os.pipe(); os.close(read); os.dup2(write, 1); os.dup2(write, 2)"
    assert ended(ends="pass", before=no_reader) == (1, "")


def test_a_signal_to_a_fork_reaches_it_whenever_it_comes() -> None:
    said = said_by(
        "import os, signal\n"
        "from deploy.local import preloaded\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('a signal of the supervisor'))\n"
        "pid = preloaded.fork()\n"
        "if pid == 0:\n"
        "    signal.raise_signal(signal.SIGTERM)\n"
        "    signal.pause()\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
        "signal.raise_signal(signal.SIGTERM)"
    )
    assert said == ["-15", "a signal of the supervisor"]


def is_fork(pid: int) -> bool:
    """Return whether a process is a fork of its parent: a program that is started has its addresses elsewhere."""
    here, there = (Path(f"/proc/{number}/auxv").read_bytes() for number in (pid, psutil.Process(pid).ppid()))
    return here == there


@pytest.fixture
def supervisor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervisor]:
    instance = Instance(tmp_path_factory.mktemp("s"))
    instance.folder("logs")
    supervisor = Supervisor(instance)
    yield supervisor
    if supervisor.runs():
        supervisor.shut_down()


def test_a_fork_looks_like_a_process_of_its_own_and_ends_with_the_supervisor(supervisor: Supervisor) -> None:
    command = [str(VENV_PYTHON), "-m", "celery_app", "worker", "-Q", "order_entry"]
    worker = Program("worker", WORKER, command, dict(os.environ) | {"SAID": "it's 50% of a=b"})
    supervisor.load([worker])
    supervisor.apply(None)
    supervisor.start([worker])
    (state,) = supervisor.states()
    process = psutil.Process(state.pid)
    wait_until(lambda: process.cmdline() == command, 120, "it does not show its command")
    assert process.environ()["SAID"] == "it's 50% of a=b"
    assert process.environ()["SUPERVISOR_PROCESS_NAME"] == "worker"
    assert process.name() == "python"
    assert process.cwd() == str(ROOT)
    assert is_fork(state.pid)

    os.kill(process.ppid(), signal.SIGKILL)
    wait_until(lambda: not psutil.pid_exists(state.pid), 120, "it outlives the supervisor")
