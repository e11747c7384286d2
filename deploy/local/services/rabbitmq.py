"""A RabbitMQ of our own, separate from any other on the machine: its own epmd, node name, cookie and ports."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from deploy.local.failure import Failure
from deploy.local.places import ROOT, Instance, write_private
from deploy.local.ports import LOOPBACK
from deploy.local.programs import SERVICE, Program

PORTS = ("rabbitmq", "rabbitmq_management", "rabbitmq_distribution", "epmd")
USER = "exchange"

# Debian's script in the PATH insists on the user rabbitmq; the script that it calls does not.
_SCRIPTS = ("/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server")


def program_path() -> str | None:
    """Return the path of the server; None: it is not installed."""
    return next((found for script in _SCRIPTS if (found := shutil.which(script))), None)


def url(ports: Mapping[str, int], password: str) -> str:
    """Return the address of the broker."""
    return f"amqp://{USER}:{password}@{LOOPBACK}:{ports['rabbitmq']}//"


def management_url(ports: Mapping[str, int], password: str) -> str:
    """Return the address of the management's HTTP API, in Flower's form."""
    return f"http://{USER}:{password}@{LOOPBACK}:{ports['rabbitmq_management']}/api/"


def programs(
    instance: Instance, ports: Mapping[str, int], password: str, definitions: str | None = None
) -> list[Program]:
    """Write the configuration and return the programs.

    definitions  JSON that RabbitMQ imports at each start; without it, RabbitMQ only knows the user `USER`
    raises       Failure  RabbitMQ or Erlang is not installed
    """
    server, epmd = program_path(), shutil.which("epmd")
    if server is None or epmd is None:
        raise Failure("RabbitMQ is not installed: install rabbitmq-server, or set BROKER_URL to one that runs")
    folder = instance.folder("rabbitmq")
    # Next to the folder of RabbitMQ, so that it survives the loss of that folder.
    file = instance.directory / "rabbitmq-definitions.json"
    configuration = _configuration(ports, password)
    if definitions is not None:
        write_private(file, definitions)
        configuration += f"\nload_definitions = {file}\n"
    write_private(folder / "rabbitmq.conf", configuration)
    write_private(folder / "enabled_plugins", "[rabbitmq_management].\n")
    variables = environment(
        folder,
        node="exchange@localhost",
        address=LOOPBACK,
        epmd_port=ports["epmd"],
        distribution_port=ports["rabbitmq_distribution"],
    )
    return [
        # Supervised, because an epmd that Erlang starts outlives it.
        Program("epmd", SERVICE, (epmd, "-address", LOOPBACK, "-port", str(ports["epmd"]))),
        Program("rabbitmq", SERVICE, (server,), variables, stop_wait_s=60),
    ]


def _configuration(ports: Mapping[str, int], password: str) -> str:
    return f"""\
listeners.tcp.default = {LOOPBACK}:{ports["rabbitmq"]}
management.tcp.ip = {LOOPBACK}
management.tcp.port = {ports["rabbitmq_management"]}
default_user = {USER}
default_pass = {password}

{(ROOT / "deploy" / "rabbitmq.conf").read_text()}"""


def environment(folder: Path, *, node: str, address: str, epmd_port: int, distribution_port: int) -> dict[str, str]:
    """Return the variables of a node, whose files are in a folder of its own.

    address  IPv4, on which the node listens for other nodes
    """
    return {
        "HOME": str(folder),  # of Erlang's cookie
        "RABBITMQ_NODENAME": node,
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        # Files in the usual places belong to the machine's own RabbitMQ.
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "none.config"),
        "RABBITMQ_CONFIG_FILES": str(folder / "none.d"),
        "RABBITMQ_LOGS": "-",
        # So the script becomes RabbitMQ instead of waiting for it: a killed script would leave RabbitMQ unsupervised.
        "RUNNING_UNDER_SYSTEMD": "1",
        "RABBITMQ_DIST_PORT": str(distribution_port),
        "ERL_EPMD_PORT": str(epmd_port),
        "ERL_EPMD_ADDRESS": address,
        # On a small machine, threads that spin while they wait take CPU from the workers. The log of the quorum queues
        # is on disk after one call instead of two.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
            "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none -ra wal_write_strategy o_sync "
            f"-kernel inet_dist_use_interface {{{address.replace('.', ',')}}}"
        ),
    }
