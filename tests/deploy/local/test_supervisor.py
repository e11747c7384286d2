"""A real supervisor runs programs, restarts them when they die, and leaves no process behind."""

from __future__ import annotations

import os
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.failure import Failure
from deploy.local.places import Instance
from deploy.local.programs import SERVICE, WORKER, Program, configuration
from deploy.local.supervisor import Supervisor

ODD = "it's 50% of %(here)s, a=b#c;d"
SAY = "import os, sys, time; print(os.environ['SAID'], sys.argv[1], sep='|', flush=True); time.sleep(60)"


@pytest.fixture
def instance(tmp_path_factory: pytest.TempPathFactory) -> Instance:
    instance = Instance(tmp_path_factory.mktemp("s"))
    instance.folder("logs")
    return instance


@pytest.fixture
def supervisor(instance: Instance) -> Iterator[Supervisor]:
    supervisor = Supervisor(instance, preloaded=False)
    yield supervisor
    if supervisor.runs():
        supervisor.shut_down()


def sleeper(name: str, *, seconds: int = 60, rank: int = WORKER) -> Program:
    return Program(name, rank, ("sleep", str(seconds)))


def run(supervisor: Supervisor, *programs: Program) -> None:
    supervisor.load(programs)
    supervisor.apply(None)
    supervisor.start(programs)


def pids(supervisor: Supervisor) -> dict[str, int]:
    return {state.name: state.pid for state in supervisor.states()}


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_settings_of_an_earlier_start_do_not_persist(
    supervisor: Supervisor, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_PORT", "9001")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    run(supervisor, sleeper("before"))
    monkeypatch.delenv("API_PORT")
    run(supervisor, sleeper("before"), Program("after", WORKER, ("sh", "-c", "env; sleep 60")))
    log = instance.logs / "after.log"
    wait_until(lambda: log.exists() and "LC_ALL=C.UTF-8" in log.read_text())
    assert "API_PORT" not in log.read_text()


def test_a_program_gets_its_arguments_and_environment_unchanged(supervisor: Supervisor, instance: Instance) -> None:
    run(supervisor, Program("odd.name-2", WORKER, (sys.executable, "-c", SAY, ODD), {"SAID": ODD}))
    log = instance.logs / "odd.name-2.log"
    wait_until(lambda: log.exists() and log.read_text() == f"{ODD}|{ODD}\n")


def test_only_the_owner_can_read_the_configuration(supervisor: Supervisor, instance: Instance) -> None:
    run(supervisor, sleeper("a"))
    supervisor.wait_until_up(["a"])
    assert stat.S_IMODE((instance.directory / "supervisor.conf").stat().st_mode) == 0o600
    assert stat.S_IMODE(instance.supervisor_socket.stat().st_mode) == 0o700


@pytest.mark.parametrize("text", ['a"b', "a\nb", "a ;b", "a #b"])
def test_values_that_the_configuration_cannot_express_are_refused(instance: Instance, text: str) -> None:
    with pytest.raises(Failure, match="BROKER_URL holds a quote, a line break or a comment"):
        configuration(instance, [Program("a", WORKER, ("true",), {"BROKER_URL": text})])


def test_a_path_that_the_supervisor_would_misread_is_refused() -> None:
    with pytest.raises(Failure, match="move the clone to a plainer path"):
        configuration(Instance(Path("/tmp/a #b")), [])


def test_a_program_that_dies_is_restarted(supervisor: Supervisor) -> None:
    run(supervisor, sleeper("a"))
    supervisor.wait_until_up(["a"])
    first = pids(supervisor)["a"]
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: pids(supervisor)["a"] not in (0, first))


def test_a_program_with_its_final_status_is_not_restarted(supervisor: Supervisor) -> None:
    broken = Program("broken", WORKER, ("sh", "-c", "sleep 1.2; exit 70"), final=(70,))
    failing = Program("failing", WORKER, ("sh", "-c", "sleep 1.2; exit 1"), final=(70,))
    run(supervisor, broken, failing)
    supervisor.wait_until_up(["broken", "failing"])

    def broken_state() -> tuple[str, int]:
        (state,) = [state for state in supervisor.states() if state.name == "broken"]
        return state.state, state.exit_status

    wait_until(lambda: broken_state() == ("EXITED", 70))
    first = pids(supervisor)["failing"]
    wait_until(lambda: pids(supervisor)["failing"] not in (0, first))
    assert broken_state() == ("EXITED", 70)
    with pytest.raises(Failure, match=r"broken does not stay up \(exit status 70\)"):
        supervisor.require(["broken"])


def test_adding_programs_does_not_disturb_running_ones(supervisor: Supervisor) -> None:
    run(supervisor, sleeper("a"), sleeper("b"))
    supervisor.wait_until_up(["a", "b"])
    before = pids(supervisor)
    run(supervisor, sleeper("a"), sleeper("b", seconds=61), sleeper("c"))
    after = pids(supervisor)
    assert after["a"] == before["a"]
    assert after["b"] != before["b"]
    supervisor.wait_until_up(after)
    run(supervisor, sleeper("a"))
    assert pids(supervisor) == {"a": before["a"]}


def test_programs_can_be_applied_in_part(supervisor: Supervisor) -> None:
    run(supervisor, sleeper("a"), sleeper("service", rank=SERVICE))
    supervisor.wait_until_up(["a", "service"])
    before = pids(supervisor)
    supervisor.load([sleeper("service", seconds=61, rank=SERVICE)])
    supervisor.apply(["service"])
    assert pids(supervisor) == {"a": before["a"], "service": 0}
    assert supervisor.names(SERVICE) == ["service"]


def test_a_program_that_cannot_start_is_named_with_its_last_line(supervisor: Supervisor) -> None:
    run(supervisor, Program("a", WORKER, ("sh", "-c", "echo no such thing; exit 1")))
    with pytest.raises(Failure, match=r"a does not stay up .* ends with: no such thing"):
        supervisor.wait_until_up(["a"])


def test_stopping_waits_until_it_is_done(supervisor: Supervisor) -> None:
    run(
        supervisor, Program("slow", WORKER, ("sh", "-c", "trap 'sleep 0.5; exit 0' TERM; while :; do sleep 0.05; done"))
    )
    supervisor.wait_until_up(["slow"])
    pid = pids(supervisor)["slow"]
    supervisor.stop(["slow"])
    assert not Path(f"/proc/{pid}").exists()


def test_a_killed_supervisor_leaves_no_process_behind(supervisor: Supervisor, instance: Instance) -> None:
    run(supervisor, sleeper("a"))
    supervisor.wait_until_up(["a"])
    pid = pids(supervisor)["a"]
    os.kill(int((instance.directory / "supervisor.pid").read_text()), signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{pid}").exists())
    assert not supervisor.runs()


def test_a_path_that_is_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="too long for a socket: move the clone to a shorter one"):
        Supervisor(Instance(tmp_path / ("x" * 100)))
