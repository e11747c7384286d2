"""Ports are chosen once, and again only if another program has taken one; no two programs get the same port."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.local import ports
from deploy.local.places import Instance


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    return Instance(tmp_path)


@contextmanager
def another_process(code: str) -> Iterator[str]:
    """Run another process during the block, and give its output."""
    command = [sys.executable, "-c", f"from deploy.local import ports\n{code}\ninput()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield process.stdout.readline().strip()
        process.communicate("\n")


def test_a_port_is_free_until_a_server_listens() -> None:
    with socket.create_server((ports.LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        assert not ports.is_free(port)
    assert ports.is_free(port)


def test_ports_stay(instance: Instance) -> None:
    first = ports.choose(instance, ["a", "b"], running=False)
    assert len(set(first.values())) == 2
    assert ports.choose(instance, ["a", "b"], running=False) == first
    assert ports.choose(instance, ["b", "c"], running=False)["b"] == first["b"]
    assert ports.choose(instance, ["a"], running=False) == {"a": first["a"]}


def test_a_port_in_use_by_another_program_is_given_up(instance: Instance) -> None:
    first = ports.choose(instance, ["a", "b"], running=False)
    with socket.create_server((ports.LOOPBACK, first["a"])):
        second = ports.choose(instance, ["a", "b"], running=False)
    assert second["a"] != first["a"]
    assert second["b"] == first["b"]


def test_a_port_in_use_by_the_instance_stays(instance: Instance) -> None:
    first = ports.choose(instance, ["a"], running=False)
    with socket.create_server((ports.LOOPBACK, first["a"])):
        assert ports.choose(instance, ["a"], running=True) == first


def test_a_port_is_reserved_before_a_server_listens_there() -> None:
    with another_process("port = ports._another(set()); print(port, flush=True)") as said:
        port = int(said)
        assert ports.is_free(port)
        assert not ports.reserve(port)
    assert ports.reserve(port)
    with another_process(f"print(ports.reserve({port}), flush=True)") as said:
        assert said == "False"


def test_a_reservation_ends_with_a_process_that_is_killed() -> None:
    code = "import os, signal; port = ports._another(set()); print(port, flush=True); os.kill(os.getpid(), 9)"
    done = subprocess.run(
        [sys.executable, "-c", f"from deploy.local import ports; {code}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == -9
    assert ports.reserve(int(done.stdout))


def test_exchanges_that_choose_at_once_choose_different_ports(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from deploy.local import ports, places\n"
        "instance = places.Instance(Path(sys.argv[1]))\n"
        "print(*ports.choose(instance, map(str, range(400)), running=False).values(), flush=True)\n"
        "input()"
    )
    folders = [tmp_path / str(number) for number in range(6)]
    running = []
    for folder in folders:
        folder.mkdir()
        command = [sys.executable, "-c", code, str(folder)]
        running.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
    chosen = [port for process in running if process.stdout for port in process.stdout.readline().split()]
    for process in running:
        process.communicate("\n")
    assert len(chosen) == len(set(chosen)) == 6 * 400


def test_ports_lie_below_those_of_outgoing_connections(instance: Instance) -> None:
    lowest = int(re.split(r"\s", Path("/proc/sys/net/ipv4/ip_local_port_range").read_text())[0])
    assert max(ports.choose(instance, map(str, range(50)), running=False).values()) < lowest
