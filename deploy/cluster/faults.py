"""Faults of a host: it is killed, cut off, or cut off in one direction; and deliberate moves of leaders."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from typing import Literal

import requests

from deploy.cluster import layout, network, readiness
from deploy.cluster.cluster import Cluster, instance_of
from deploy.cluster.layout import HOSTS, Host
from deploy.local.failure import Failure

Kind = Literal["kill", "cut", "deaf", "mute", "move_primary", "move_leaders"]
KINDS: tuple[Kind, ...] = ("kill", "cut", "deaf", "mute", "move_primary", "move_leaders")

_ANSWER_S = 30


def begin(kind: Kind, host: Host, cluster: Cluster) -> Callable[[], None]:
    """Cause the fault, and return the function that ends it.

    kill          all processes and services of the host end at once; its supervisor starts them again
    cut           no packet reaches the host or leaves it
    deaf, mute    no packet reaches the host; none leaves it
    move_primary  Postgres' primary changes places with its synchronous standby; the host does not matter
    move_leaders  RabbitMQ spreads the leaders of its queues again; likewise
    """
    if kind == "kill":
        return _kill(host)
    if kind == "cut":
        _run("ip", "-n", network.SWITCH, "link", "set", host.name, "down")
        return lambda: _run("ip", "-n", network.SWITCH, "link", "set", host.name, "up")
    if kind in ("deaf", "mute"):
        rule = ("INPUT", "-i", "eth0") if kind == "deaf" else ("OUTPUT", "-o", "eth0")
        _run(*network.inside(host), "iptables", "-A", *rule, "-j", "DROP")
        return lambda: _run(*network.inside(host), "iptables", "-D", *rule, "-j", "DROP")
    if kind == "move_primary":
        _move_primary()
    else:
        answer = requests.post(f"{cluster.management_url(host)}rebalance/queues", timeout=_ANSWER_S)
        answer.raise_for_status()
    return lambda: None


def _kill(host: Host) -> Callable[[], None]:
    # Everything except the supervisor, which the host's init would start again.
    spared = int((instance_of(host).directory / "supervisor.pid").read_text())
    found = subprocess.run(["ip", "netns", "pids", network.namespace(host)], check=True, capture_output=True, text=True)
    for pid in {int(line) for line in found.stdout.split()} - {spared}:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue  # it has ended by itself meanwhile
    return lambda: None


def _move_primary() -> None:
    roles = readiness.patroni_roles()
    leader = next((host for host in HOSTS if roles[host.name] in ("master", "primary")), None)
    if leader is None:
        raise Failure("Postgres has no primary to move")
    address = f"http://{leader.address}:{layout.PATRONI_PORT}/switchover"
    requests.post(address, json={"leader": leader.name}, timeout=2 * _ANSWER_S).raise_for_status()


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(f"`{' '.join(command)}` failed: {done.stderr.strip()}")
