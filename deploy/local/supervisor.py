"""A client of an instance's supervisor: starts it, starts and stops programs, reads their states."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import Faults, SupervisorTransport

from deploy.local.failure import Failure
from deploy.local.places import ROOT, VENV_PYTHON, Instance, write_private
from deploy.local.programs import Program, configuration

# A path of a Unix socket has at most 107 bytes; the supervisor appends a few to a temporary one.
_LONGEST_SOCKET_PATH = 100

# Variables of the machine and the user, for all programs. Settings are in the configuration of their program instead:
# one that the supervisor inherited would outlast the start that set it.
_INHERITED = re.compile(r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|PYTHONDONTWRITEBYTECODE")

_ENDED = {"STOPPED", "EXITED", "FATAL", "UNKNOWN"}
_FAILING = {"BACKOFF", "EXITED", "FATAL"}


@dataclass(frozen=True, slots=True)
class State:
    """The state of a program."""

    name: str
    state: str  # RUNNING, STARTING, BACKOFF, STOPPING, STOPPED, EXITED, FATAL
    pid: int
    up_s: int
    exit_status: int


class Supervisor:
    """The supervisor of an instance, running or not."""

    def __init__(self, instance: Instance, *, enter: Sequence[str] = (), preloaded: bool = True) -> None:
        """Create a client.

        enter      words in front of the command that starts the supervisor, such as those that enter a namespace
        preloaded  whether the supervisor loads the modules of the workers, which become its forks
        """
        self._instance = instance
        self._enter = enter
        self._module = "deploy.local.preloaded" if preloaded else "supervisor.supervisord"
        if len(bytes(instance.supervisor_socket)) > _LONGEST_SOCKET_PATH:
            raise Failure(f"the path {instance.directory} is too long for a socket: move the clone to a shorter one")

    @property
    def _rpc(self) -> Any:
        """The supervisor's calls, over a new connection each time, because a failed one cannot be reused."""
        transport: Any = SupervisorTransport(None, None, f"unix://{self._instance.supervisor_socket}")
        return ServerProxy("http://127.0.0.1", transport=transport).supervisor  # the address has no effect

    def runs(self) -> bool:
        """Return whether the supervisor runs."""
        try:
            return bool(self._rpc.getState()["statename"] == "RUNNING")
        except (OSError, Fault):
            return False

    def load(self, programs: Sequence[Program]) -> None:
        """Write the configuration of these programs and start the supervisor; running programs wait for `apply`."""
        file = self._instance.directory / "supervisor.conf"
        write_private(file, configuration(self._instance, programs))
        if not self.runs():
            environment = {name: text for name, text in os.environ.items() if _INHERITED.fullmatch(name)}
            command = (*self._enter, str(VENV_PYTHON), "-m", self._module, "-c", str(file))
            subprocess.run(command, check=True, cwd=ROOT, env=environment)
            wait_until(self.runs, 60, "the supervisor did not start")

    def apply(self, names: Iterable[str] | None) -> None:
        """Apply the loaded configuration to these programs or to all; unchanged programs keep running."""
        ((added, changed, removed),) = self._rpc.reloadConfig()
        if names is not None:
            chosen = set(names)
            added, changed, removed = ([name for name in some if name in chosen] for some in (added, changed, removed))
        self.stop([*changed, *removed])
        for name in (*changed, *removed):
            self._rpc.removeProcessGroup(name)
        for name in (*added, *changed):
            self._rpc.addProcessGroup(name)

    def start(self, programs: Iterable[Program]) -> None:
        """Start those of the programs that do not run; return at once."""
        states = {state.name: state for state in self.states()}
        for program in programs:
            if states[program.name].state in _ENDED:
                self._rpc.startProcess(program.name, False)

    def stop(self, names: Iterable[str]) -> None:
        """Stop programs, and return when they have ended."""
        names = set(names)
        for state in self.states():
            if state.name in names and state.state not in _ENDED:
                try:
                    self._rpc.stopProcess(state.name, False)
                except Fault as fault:
                    if fault.faultCode != Faults.NOT_RUNNING:  # it has ended in the meantime
                        raise
        while any(state.name in names and state.state not in _ENDED for state in self.states()):
            time.sleep(0.05)

    def states(self) -> list[State]:
        """Return the states of all programs."""
        return [
            State(
                name=info["name"],
                state=info["statename"],
                pid=info["pid"],
                up_s=info["now"] - info["start"] if info["statename"] == "RUNNING" else 0,
                exit_status=info["exitstatus"],
            )
            for info in self._rpc.getAllProcessInfo()
        ]

    def pids(self, names: Iterable[str]) -> dict[str, int]:
        """Return the process ids of programs; 0 for one that does not run."""
        chosen = set(names)
        return {state.name: state.pid for state in self.states() if state.name in chosen}

    def names(self, rank: int) -> list[str]:
        """Return the programs of a rank."""
        return [info["name"] for info in self._rpc.getAllConfigInfo() if info["process_prio"] == rank]

    def require(self, names: Iterable[str]) -> None:
        """Check that the programs have not failed.

        raises  Failure  one has, with the last line of its log
        """
        names = set(names)
        for state in self.states():
            if state.name in names and state.state in _FAILING:
                log = self._instance.logs / f"{state.name}.log"
                lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
                said = f", which ends with: {lines[-1].strip()[:300]}" if lines else ""
                raise Failure(f"{state.name} does not stay up (exit status {state.exit_status}); see {log}{said}")

    def wait_until_up(self, names: Iterable[str]) -> None:
        """Return when all of the programs run.

        raises  Failure  one of them fails
        """
        names = set(names)

        def all_run() -> bool:
            self.require(names)
            return all(state.state == "RUNNING" for state in self.states() if state.name in names)

        wait_until(all_run, 120, f"{', '.join(sorted(names))} did not start")

    def shut_down(self) -> None:
        """End the supervisor after all its programs."""
        self._rpc.shutdown()
        # It removes the file last. The process may stay as a zombie where no init reaps it.
        pid_file = self._instance.directory / "supervisor.pid"
        wait_until(lambda: not pid_file.exists(), 90, "the supervisor did not end")


def wait_until(done: Callable[[], bool], seconds: float, otherwise: str) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise Failure(f"{otherwise} within {seconds:.0f} s")
        time.sleep(0.05)
