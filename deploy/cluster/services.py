"""The engines of a host: their configuration from the templates, and their programs.

The host's supervisor runs the programs, or each has a container of its own, with nothing but Python's standard library.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from string import Template

from deploy.cluster import layout
from deploy.cluster.layout import HOSTS, Host
from deploy.local.failure import Failure
from deploy.local.places import ROOT, Instance, write_private
from deploy.local.programs import SERVICE, Program
from deploy.local.services import postgres, rabbitmq, redis

# The user that all servers of Postgres copy the primary's log with.
REPLICATOR = "replicator"
# The names of the passwords that an engine has to know, next to those of the roles and users.
SECRETS: Mapping[str, tuple[str, ...]] = {
    "etcd": (),
    "patroni": ("Postgres", "Postgres replicator"),
    "rabbitmq": ("RabbitMQ", "Erlang cookie"),
    "haproxy": (),
    "redis": ("Redis",),
}

_TEMPLATES = Path(__file__).with_name("templates")
_PROGRAMS = {"etcd": "etcd-server", "patroni": "patroni", "haproxy": "haproxy", "redis-server": "redis-server"}


def require() -> None:
    """Check that the engines are installed. Raises Failure, which names the packages."""
    missing = [package for program, package in _PROGRAMS.items() if shutil.which(program) is None]
    missing += ["rabbitmq-server"] if rabbitmq.program_path() is None else []
    missing += ["postgresql"] if postgres.program_path() is None else []
    if missing:
        raise Failure(f"the cluster needs packages that are not installed: apt-get install {' '.join(missing)}")


def programs(host: Host, instance: Instance, passwords: Mapping[str, str]) -> list[Program]:
    """Write the configuration of a host's engines, and return their programs."""
    return [_epmd(host), *(program(engine, host, instance, passwords) for engine in host.engines)]


def program(engine: str, host: Host, instance: Instance, passwords: Mapping[str, str]) -> Program:
    """Write the configuration of an engine, and return its program.

    passwords  by name, at least those in SECRETS
    """
    return _ENGINES[engine](host, instance, passwords)


def variable_of(secret: str) -> str:
    """Return the environment variable with the password of this name, for containers."""
    return f"{secret.upper().replace(' ', '_')}_PASSWORD"


def _etcd(host: Host, instance: Instance, _: Mapping[str, str]) -> Program:
    client, peer = f"http://{host.address}:{layout.ETCD_PORT}", f"http://{host.address}:{layout.ETCD_PEER_PORT}"
    members = ",".join(f"{one.name}=http://{one.address}:{layout.ETCD_PEER_PORT}" for one in HOSTS)
    options = {
        "name": host.name,
        "data-dir": str(instance.folder("etcd")),
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": members,
        "initial-cluster-token": "exchange",
        "enable-v2": "true",  # for Patroni, see its template
        # Hosts that share a disk and two cores answer late [ms].
        "heartbeat-interval": "500",
        "election-timeout": "5000",
    }
    return Program("etcd", SERVICE, (_path("etcd"), *(f"--{name}={text}" for name, text in options.items())))


def _patroni(host: Host, instance: Instance, passwords: Mapping[str, str]) -> Program:
    folder = instance.folder("postgres")
    run_as = postgres.other_user(folder)
    server = postgres.program_path()
    assert server is not None
    settings = folder / "exchange.conf"
    _write(settings, (ROOT / "deploy" / "postgresql.conf").read_text())
    file = folder / "patroni.yml"
    text = _filled(
        "patroni.yml",
        name=host.name,
        address=host.address,
        network=layout.NETWORK,
        etcd_hosts=",".join(f"{one.address}:{layout.ETCD_PORT}" for one in HOSTS),
        folder=str(folder),
        data=str(folder / "data"),
        binaries=str(Path(server).parent),
        settings=str(settings),
        user=postgres.USER,
        password=passwords["Postgres"],
        replicator=REPLICATOR,
        replicator_password=passwords["Postgres replicator"],
    )
    _write(file, text)
    environment = {"HOME": str(folder)}
    command = (_path("patroni"), str(file))
    return Program("patroni", SERVICE, command, environment, stop_signal="TERM", stop_wait_s=60, run_as=run_as)


def _epmd(host: Host) -> Program:
    # Supervised, because an epmd that Erlang starts outlives it.
    return Program("epmd", SERVICE, (_path("epmd"), "-address", host.address))


def _rabbitmq(host: Host, instance: Instance, passwords: Mapping[str, str]) -> Program:
    server = rabbitmq.program_path()
    assert server is not None
    folder = instance.folder("rabbitmq")
    peers = "\n".join(
        f"cluster_formation.classic_config.nodes.{n} = exchange@{one.name}" for n, one in enumerate(HOSTS, 1)
    )
    text = _filled(
        "rabbitmq.conf", address=host.address, user=rabbitmq.USER, password=passwords["RabbitMQ"], peers=peers
    )
    write_private(folder / "rabbitmq.conf", text + (ROOT / "deploy" / "rabbitmq.conf").read_text())
    write_private(folder / "enabled_plugins", "[rabbitmq_management].\n")
    cookie = folder / ".erlang.cookie"
    if not cookie.exists():
        write_private(cookie, passwords["Erlang cookie"])
        cookie.chmod(0o400)
    environment = rabbitmq.environment(
        folder, node=f"exchange@{host.name}", address=host.address, epmd_port=4369, distribution_port=25672
    )
    return Program("rabbitmq", SERVICE, (server,), environment, stop_wait_s=60)


def _haproxy(host: Host, instance: Instance, _: Mapping[str, str]) -> Program:
    servers = "\n".join(
        f"    server {one.name} {one.address}:{layout.API_PORT} check inter 1s fall 2 rise 1 on-marked-down "
        "shutdown-sessions"
        for one in layout.apis()
    )
    file = instance.folder("haproxy") / "haproxy.cfg"
    write_private(file, _filled("haproxy.cfg", address=host.address, servers=servers))
    return Program("haproxy", SERVICE, (_path("haproxy"), "-db", "-f", str(file)))


def _redis(host: Host, instance: Instance, passwords: Mapping[str, str]) -> Program:
    file = instance.folder("redis") / "redis.conf"
    write_private(file, redis.configuration(host.address, layout.REDIS_PORT, passwords["Redis"]))
    return Program("redis", SERVICE, (_path("redis-server"), str(file)))


_ENGINES: Mapping[str, Callable[[Host, Instance, Mapping[str, str]], Program]] = {
    "etcd": _etcd,
    "patroni": _patroni,
    "rabbitmq": _rabbitmq,
    "haproxy": _haproxy,
    "redis": _redis,
}


def _filled(template: str, **values: str) -> str:
    return Template((_TEMPLATES / template).read_text()).substitute(values)


def _path(program: str) -> str:
    path = shutil.which(program)
    assert path is not None
    return path


def _write(file: Path, text: str) -> None:
    """Write a file that only Postgres' user can read."""
    write_private(file, text)
    postgres.own(file)
