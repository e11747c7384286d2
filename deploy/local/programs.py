"""The supervisor's programs, and their configuration."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from deploy.local.failure import Failure
from deploy.local.places import ROOT, Instance

# Programs of one rank start and stop together; ranks start in this order and stop in the reverse order.
SERVICE, WORKER, WEB, BOT, SCHEDULER = range(1, 6)


@dataclass(frozen=True, slots=True)
class Program:
    """A program that the supervisor keeps running.

    rank         SERVICE, WORKER, WEB, BOT or SCHEDULER
    stop_signal  the signal that stops it
    stop_wait_s  time to end before it is killed [s]
    final        exit statuses after which the supervisor does not restart it
    on_orphaned  signal that it gets if the supervisor itself is killed, so that no process stays behind
    run_as       words in front of the command that change the user
    """

    name: str
    rank: int
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = "TERM"
    stop_wait_s: int = 15
    final: Sequence[int] = ()
    on_orphaned: str = "TERM"
    run_as: Sequence[str] = ()


def configuration(instance: Instance, programs: Iterable[Program]) -> str:
    """Return the text of the supervisor's configuration.

    raises  Failure  a value contains characters that its format does not allow
    """
    sections = [_supervisor(instance), *(_program(instance, program) for program in programs)]
    return "\n".join(sections)


def _supervisor(instance: Instance) -> str:
    settings = {
        "unix_http_server": {"file": str(instance.supervisor_socket), "chmod": "0700"},
        "supervisord": {
            "logfile": str(instance.logs / "supervisor.log"),
            "logfile_maxbytes": "10MB",
            "logfile_backups": "1",
            "pidfile": str(instance.directory / "supervisor.pid"),
            "childlogdir": str(instance.logs),
            "directory": str(ROOT),
            "minfds": "4096",
            **({"user": "root"} if os.geteuid() == 0 else {}),
        },
        "rpcinterface:supervisor": {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        },
    }
    return "\n".join(_section(name, values) for name, values in settings.items())


def _program(instance: Instance, program: Program) -> str:
    # setpriv sets the signal and becomes the command; changing the user after that would reset the signal.
    command = (*program.run_as, "setpriv", "--pdeathsig", program.on_orphaned, *program.command)
    return _section(
        f"program:{program.name}",
        {
            "command": shlex.join(command),
            "environment": ",".join(f"{name}={_quoted(name, text)}" for name, text in program.environment.items()),
            "priority": str(program.rank),
            # `make up` starts the ranks in order; the supervisor restarts programs that die.
            "autostart": "false",
            "autorestart": "unexpected" if program.final else "true",
            "exitcodes": ",".join(map(str, program.final)) or "0",
            # Each failed start makes it wait one second longer: these last for days.
            "startretries": "500",
            "stopsignal": program.stop_signal,
            "stopwaitsecs": str(program.stop_wait_s),
            # A signal to the group would reach a worker twice, which makes it stop without finishing its batch.
            "stopasgroup": "false",
            "killasgroup": "true",
            "redirect_stderr": "true",
            "stdout_logfile": str(instance.logs / f"{program.name}.log"),
            "stdout_logfile_maxbytes": "10MB",
            "stdout_logfile_backups": "2",
        },
    )


# The supervisor ends a value at a line break, or at a comment after a space.
_END_OF_VALUE = re.compile(r"[\n\r]|\s[;#]")


def _section(name: str, values: Mapping[str, str]) -> str:
    for key, value in values.items():
        if _END_OF_VALUE.search(value):
            raise Failure(f"the {key} of {name} holds a line break or a comment: move the clone to a plainer path")
    # The supervisor expands names after a percent sign.
    lines = [f"{key} = {value.replace('%', '%%')}" for key, value in values.items() if value]
    return "\n".join((f"[{name}]", *lines, ""))


def _quoted(name: str, text: str) -> str:
    if '"' in text or _END_OF_VALUE.search(text):
        raise Failure(f"{name} holds a quote, a line break or a comment: write such characters percent-encoded")
    return f'"{text}"'
