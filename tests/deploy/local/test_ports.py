"""Ports are chosen once, and anew only when somebody else has taken one."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from deploy.local import ports
from deploy.local.places import Instance


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    return Instance(tmp_path)


def test_a_port_is_free_until_somebody_listens() -> None:
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


def test_a_port_that_somebody_took_is_given_up(instance: Instance) -> None:
    first = ports.choose(instance, ["a", "b"], running=False)
    with socket.create_server((ports.LOOPBACK, first["a"])):
        second = ports.choose(instance, ["a", "b"], running=False)
    assert second["a"] != first["a"]
    assert second["b"] == first["b"]


def test_a_port_that_we_took_ourselves_stays(instance: Instance) -> None:
    first = ports.choose(instance, ["a"], running=False)
    with socket.create_server((ports.LOOPBACK, first["a"])):
        assert ports.choose(instance, ["a"], running=True) == first
