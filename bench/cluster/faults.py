"""Faults of a host: killed, cut off, cut off in one direction, slow; and deliberate moves of leaders."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import requests

from bench.cluster.commands import run
from bench.cluster.slow_cable import slow_down
from deploy.cluster import layout, network, readiness
from deploy.cluster.cluster import Cluster, instance_of
from deploy.cluster.layout import HOSTS, Host
from deploy.local.failure import Failure
from deploy.local.services import rabbitmq

Kind = Literal[
    "kill",  # all processes and services of the host end at once; its supervisor starts them again
    "cut",  # no packet reaches the host or leaves it
    "deaf",  # no packet reaches the host
    "mute",  # no packet leaves the host
    "slow",  # every packet to the host and from it is late
    "move_primary",  # Postgres' primary changes places with its synchronous standby; the host does not matter
    "move_leaders",  # the host's node of RabbitMQ gives up the leaders of all queues, and its clients
]

# How long a fault lasts, and after what time a second one begins that overlaps with it [s].
_LASTS_S = (8.0, 25.0)
_SECOND_AFTER_S = (2.0, 7.0)
# The share of faults that another one overlaps with.
_OVERLAPPING = 0.3
_ANSWER_S = 60


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that happens to a host.

    after_s  since the beginning of the fault that it overlaps with; 0: it is the first one [s]
    """

    kind: Kind
    host: Host
    after_s: float
    lasts_s: float

    @property
    def name(self) -> str:
        """What happens to which host."""
        return self.kind if self.kind == "move_primary" else f"{self.kind} {self.host.name}"


def schedule(seed: int, count: int) -> list[list[Fault]]:
    """Return faults, in groups of one or of two that overlap. All kinds happen before one happens again."""
    chance = random.Random(f"hosts:{seed}")
    deck: list[Kind] = []
    groups: list[list[Fault]] = []
    for _ in range(count):
        if not deck:
            deck = list(get_args(Kind))
            chance.shuffle(deck)
        overlaps = bool(groups) and len(groups[-1]) == 1 and chance.random() < _OVERLAPPING
        after_s = chance.uniform(*_SECOND_AFTER_S) if overlaps else 0.0
        fault = Fault(deck.pop(), chance.choice(HOSTS), after_s, chance.uniform(*_LASTS_S))
        if overlaps:
            groups[-1].append(fault)
        else:
            groups.append([fault])
    return groups


def begin(fault: Fault, cluster: Cluster) -> Callable[[], None]:
    """Cause a fault, and return the function that ends it. Raises Failure if it is not possible now."""
    host = fault.host
    match fault.kind:
        case "kill":
            _kill(host)
        case "cut":
            run("ip", "-n", network.SWITCH, "link", "set", host.name, "down")
            return lambda: run("ip", "-n", network.SWITCH, "link", "set", host.name, "up")
        case "deaf" | "mute":
            rule = ("INPUT", "-i", "eth0") if fault.kind == "deaf" else ("OUTPUT", "-o", "eth0")
            run(*network.inside(host), "iptables", "-A", *rule, "-j", "DROP")
            return lambda: run(*network.inside(host), "iptables", "-D", *rule, "-j", "DROP")
        case "slow":
            return slow_down(host)
        case "move_primary":
            _move_primary()
        case "move_leaders":
            return _move_leaders(host, cluster)
    return lambda: None


def _kill(host: Host) -> None:
    # Everything except the supervisor, which the host's init would start again.
    spared = int((instance_of(host).directory / "supervisor.pid").read_text())
    found = subprocess.run(["ip", "netns", "pids", network.namespace(host)], check=True, capture_output=True, text=True)
    for pid in {int(line) for line in found.stdout.split()} - {spared}:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue  # it has ended by itself meanwhile


def _move_primary() -> None:
    roles = readiness.patroni_roles()
    leader = next((host for host in HOSTS if roles[host.name] in ("master", "primary")), None)
    if leader is None:
        raise Failure("Postgres has no primary to move")
    _ask(f"http://{leader.address}:{layout.PATRONI_PORT}/switchover", {"leader": leader.name})


def _move_leaders(host: Host, cluster: Cluster) -> Callable[[], None]:
    """Let a node of RabbitMQ give up the leaders of all queues, and its connections, as before an upgrade."""

    def end() -> None:
        _upgrade(host, "revive")
        _ask(f"{cluster.management_url(host)}rebalance/queues")

    _upgrade(host, "drain")
    return end


def _upgrade(host: Host, command: str) -> None:
    server = rabbitmq.program_path()
    assert server is not None, "the cluster runs"
    folder = instance_of(host).folder("rabbitmq")
    node = f"exchange@{host.name}"
    variables = rabbitmq.environment(folder, node=node, address=host.address, epmd_port=4369, distribution_port=25672)
    # Those of the command itself; it talks to the node as another one does.
    own = [f"{name}={text}" for name, text in variables.items() if name in ("HOME", "ERL_EPMD_PORT")]
    program = str(Path(server).with_name("rabbitmq-upgrade"))
    run(*network.inside(host), "env", *own, program, "--node", node, command)


def _ask(address: str, content: dict[str, str] | None = None) -> None:
    try:
        answer = requests.post(address, json=content, timeout=_ANSWER_S)
    except requests.RequestException as fault:
        raise Failure(f"no answer: {type(fault).__name__}") from None
    if not answer.ok:
        raise Failure(f"answered {answer.status_code}: {answer.text[:120]}")
