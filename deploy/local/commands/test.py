"""`make test`: checks the code and runs the tests on services of their own, also next to a running exchange."""

from __future__ import annotations

import compileall
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType

from celery_app.settings import Settings
from deploy.local import descendants, exchange
from deploy.local.addresses import SERVICE_URLS
from deploy.local.commands import lint
from deploy.local.failure import ending
from deploy.local.lock import alone
from deploy.local.places import ROOT, TESTS, VENV_PYTHON
from deploy.local.programs import Program
from deploy.local.services import answers, own
from deploy.local.steps import step
from deploy.local.supervisor import Supervisor

# More processes would only wait for the one Postgres and the one RabbitMQ.
_MOST_PROCESSES = 8


# The tests start a thousand processes of these packages, each of which would compile what it imports.
_COMPILED = ("api", "bench", "bots", "celery_app", "db", "deploy", "tasks", "tests/support")


def main() -> int:
    """Run checks and tests; exit status 0 if all pass."""
    signal.signal(signal.SIGTERM, _interrupt)
    with alone(TESTS), descendants.ended(), _services() as ready:
        _compile()
        checked = lint.main()  # while the services start
        tested = _pytest(sys.argv[1:], ready())
    return checked or tested


def _compile() -> None:
    """Compile the packages once, even if PYTHONDONTWRITEBYTECODE is set in the caller's environment."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    for package in _COMPILED:
        compileall.compile_dir(ROOT / package, quiet=1)


@contextmanager
def _services() -> Iterator[Callable[[], dict[str, str]]]:
    """Run new services inside the block; gives a function that waits for them and returns their environment."""
    supervisor = Supervisor(TESTS, preloaded=False)  # it runs no workers
    if supervisor.runs():
        supervisor.shut_down()  # left over from a run that was killed
    for old in ("postgres", "rabbitmq", "redis", "alive"):
        shutil.rmtree(TESTS.directory / old, ignore_errors=True)
    TESTS.folder("logs")
    wanted = sorted(set(SERVICE_URLS.values()))
    services = own.prepare(TESTS, wanted, running=False)
    programs = [_impatient(program) for program in services.all_programs]
    names = [program.name for program in programs]
    supervisor.load(programs)

    def ready() -> dict[str, str]:
        for service in wanted:
            with step(service):
                answers.wait(service, services.url_of(service), still_up=lambda: supervisor.require(names))
        return exchange.environment({}, services.urls, TESTS)

    try:
        supervisor.apply(None)
        supervisor.start(programs)
        yield ready
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would leave them running
        with step("stop services"):
            supervisor.stop(names)
            supervisor.shut_down()


def _impatient(program: Program) -> Program:
    """Return a service for data that will be dropped: it ends at once, and Postgres does not wait for the disk.

    A test may kill Postgres but not the machine, so no committed row can be lost.
    """
    options = ("--fsync=off", "--full_page_writes=off") if program.name == "postgres" else ()
    return replace(program, command=(*program.command, *options), stop_signal="KILL")


def _pytest(arguments: Sequence[str], environment: dict[str, str]) -> int:
    # Tests set what they need other than the defaults; the caller's settings are meant for an exchange.
    others = {name: text for name, text in os.environ.items() if name.lower() not in Settings.model_fields}
    command = [str(VENV_PYTHON), "-m", "pytest", "--durations=10", *_side_by_side(arguments), *arguments]
    with subprocess.Popen(command, env=others | environment) as tests:
        try:
            return descendants.wait(tests)
        except _Terminated:
            # A shell starts what runs in its background with SIGINT ignored. What the tests have started ends here.
            ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            tests.send_signal(signal.SIGTERM if ignored else signal.SIGINT)
            return descendants.wait(tests)
        except KeyboardInterrupt:
            # The child got the Ctrl-C as well, and is cleaning up what it has started.
            return descendants.wait(tests)


def _side_by_side(arguments: Sequence[str]) -> list[str]:
    """Return the options with which pytest-xdist deals modules to processes; empty for a single module."""
    paths = [path for argument in arguments if (path := ROOT / argument.partition("::")[0]).exists()]
    if (len(paths) == 1 and paths[0].is_file()) or {"--pdb", "-s"} & set(arguments):
        return []
    # Most tests wait for processes to start, so there may be more at once than there are processors.
    number = min(2 * (os.cpu_count() or 1), _MOST_PROCESSES)
    return [f"--numprocesses={number}", "--dist=loadscope"]


class _Terminated(KeyboardInterrupt):
    """SIGTERM, which reached only this process."""


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise _Terminated


if __name__ == "__main__":
    raise SystemExit(ending(main))
