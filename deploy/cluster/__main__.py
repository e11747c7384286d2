"""`python -m deploy.cluster up|down|clean|status`: three hosts on this machine; `make cluster` and others run it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from celery_app.settings import read_settings
from deploy.cluster import network, readiness, services
from deploy.cluster.cluster import CLUSTER, Cluster, instance_of, prepared, proxy_url, supervisor_of
from deploy.cluster.layout import HOSTS, Host
from deploy.local import environment_file, ready
from deploy.local.failure import Failure, ending
from deploy.local.places import VENV_PYTHON
from deploy.local.programs import SCHEDULER, SERVICE, WEB, WORKER, Program
from deploy.local.steps import step
from deploy.local.supervisor import Supervisor


def up() -> int:
    """Start all hosts, and return when every HAProxy leads to an api that is ready."""
    network.require()
    services.require()
    CLUSTER.directory.mkdir(parents=True, exist_ok=True)
    cluster = prepared(os.environ)
    with step("three hosts"):
        network.make()
    shards = read_settings().shards
    programs = {host: [*cluster.services(host), *cluster.processes(host, shards=shards)] for host in HOSTS}
    for host in HOSTS:
        supervisor = supervisor_of(host)
        supervisor.load(programs[host])
        supervisor.apply(None)
        supervisor.start(_of_ranks(programs[host], SERVICE))
    still_up = _require(programs, SERVICE)
    with step("RabbitMQ: three nodes"):
        readiness.wait_for_rabbitmq(cluster, still_up=still_up)
    with step("Postgres: a primary and a synchronous standby"):
        readiness.wait_for_postgres(cluster, still_up=still_up)
    with step("databases, initial data, keys, users"):
        _migrate(cluster)
    for host in HOSTS:
        supervisor_of(host).start(_of_ranks(programs[host], WORKER, WEB))
    with step("workers"):
        for host in HOSTS:
            names = [program.name for program in _of_ranks(programs[host], WORKER)]
            ready.wait_for_workers(instance_of(host), supervisor_of(host), names)
    with step("apis, streams and HAProxy"):
        readiness.wait_for_proxies(still_up=_require(programs, SERVICE, WORKER, WEB))
    for host in HOSTS:
        supervisor_of(host).start(_of_ranks(programs[host], SCHEDULER))
    environment_file.write(CLUSTER, cluster.environment(CLUSTER))
    print(f"\nthe exchange   {', '.join(map(proxy_url, HOSTS))}\nkeys           {CLUSTER.directory / 'keys.json'}")
    return 0


def down() -> int:
    """Stop all hosts and keep their data."""
    network.require()
    running = [supervisor for host in HOSTS if (supervisor := supervisor_of(host)).runs()]
    # All hosts at once: a host that is left without a majority waits for the others instead of ending.
    with ThreadPoolExecutor(len(HOSTS)) as hosts:
        list(hosts.map(_stop_processes, running))
        list(hosts.map(lambda supervisor: supervisor.stop(["patroni"]), running))
        list(hosts.map(Supervisor.shut_down, running))
    network.remove()
    return 0


def _stop_processes(supervisor: Supervisor) -> None:
    for rank in (SCHEDULER, WEB, WORKER):
        supervisor.stop(supervisor.names(rank))


def clean() -> int:
    """Stop all hosts and drop their data."""
    down()
    shutil.rmtree(CLUSTER.directory, ignore_errors=True)
    return 0


def status() -> int:
    """Print the processes of all hosts and the state of both clusters; exit status 1 if something does not run."""
    cluster = prepared(os.environ)
    roles, standbys = readiness.patroni_roles(), readiness.standbys(cluster)
    complete = True
    for host in HOSTS:
        supervisor = supervisor_of(host)
        states = supervisor.states() if supervisor.runs() else []
        wrong = [f"{one.name} {one.state.lower()}" for one in states if one.state != "RUNNING"]
        complete = complete and bool(states) and not wrong
        role = f"{roles[host.name]} {standbys.get(host.name, '')}".strip()
        print(f"{host.name}   {len(states) - len(wrong)} of {len(states)} processes run   Postgres: {role}")
        for one in wrong:
            print(f"         {one}")
    nodes = readiness.running_nodes(cluster)
    print(f"RabbitMQ   {nodes} of {len(HOSTS)} nodes run")
    return 0 if complete and nodes == len(HOSTS) else 1


def _of_ranks(programs: Sequence[Program], *ranks: int) -> list[Program]:
    return [program for program in programs if program.rank in ranks]


def _require(programs: Mapping[Host, Sequence[Program]], *ranks: int) -> Callable[[], None]:
    """Return a function that raises Failure when a program of these ranks has failed on any host."""
    by_host = {host: [one.name for one in _of_ranks(programs[host], *ranks)] for host in HOSTS}

    def require() -> None:
        for host, names in by_host.items():
            try:
                supervisor_of(host).require(names)
            except Failure as fault:
                raise Failure(f"{host.name}: {fault}") from None

    return require


def _migrate(cluster: Cluster) -> None:
    # The topology is declared while all nodes run, so each queue gets three members.
    environment = cluster.environment(CLUSTER) | cluster.for_migrate
    done = subprocess.run(
        [VENV_PYTHON, "-m", "deploy.migrate", "--bots", "none"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise Failure(done.stderr.strip().splitlines()[-1])
    for host in HOSTS:
        shutil.copy(CLUSTER.directory / "keys.json", instance_of(host).directory / "keys.json")


_COMMANDS = {"up": up, "down": down, "clean": clean, "status": status}


def main() -> int:
    """Run the command."""
    command = sys.argv[1] if len(sys.argv) == 2 else ""
    if command not in _COMMANDS:
        raise Failure(f"python -m deploy.cluster takes one of: {', '.join(_COMMANDS)}")
    return _COMMANDS[command]()


if __name__ == "__main__":
    raise SystemExit(ending(main, left_by_interrupt=": what has started keeps running; `make cluster-down` stops it"))
