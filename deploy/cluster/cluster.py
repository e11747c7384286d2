"""The cluster as a whole: its folders, addresses and programs, by host."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from deploy import broker_users, database_users
from deploy.cluster import layout, network, services
from deploy.cluster.layout import HOSTS, Host
from deploy.local import exchange
from deploy.local.places import EXCHANGE, Instance
from deploy.local.programs import Program
from deploy.local.services import postgres, rabbitmq
from deploy.local.services.own import passwords_of
from deploy.local.supervisor import Supervisor
from deploy.local.variables import from_environment

CLUSTER = Instance(EXCHANGE.directory / "cluster")


@dataclass(frozen=True, slots=True)
class Cluster:
    """The passwords of a cluster, and what follows from them.

    variables  the caller's, including settings
    """

    passwords: Mapping[str, str]
    variables: Mapping[str, str]

    @property
    def urls(self) -> dict[str, str]:
        """The addresses of the services for the user with all rights."""
        return {
            "BROKER_URL": layout.broker_urls(rabbitmq.USER, self.passwords["RabbitMQ"]),
            "REDIS_URL": f"redis://:{self.passwords['Redis']}@{layout.redis_host().address}:{layout.REDIS_PORT}/0",
            **{
                variable: self.database_url(database)
                for variable, database in (("CLEARING_DATA_URL", "clearing_data"), ("MARKET_DATA_URL", "market_data"))
            },
        }

    def database_url(self, database: str) -> str:
        """Return the address of a database for the user with all rights."""
        return layout.database_url(postgres.USER, self.passwords["Postgres"], database)

    def management_url(self, host: Host) -> str:
        """Return the address of RabbitMQ's management on a host."""
        address = f"{host.address}:{layout.MANAGEMENT_PORT}"
        return f"http://{rabbitmq.USER}:{self.passwords['RabbitMQ']}@{address}/api/"

    @property
    def role_passwords(self) -> dict[str, str]:
        """The passwords of RabbitMQ's users, by role."""
        return {role: self.passwords[f"RabbitMQ {role}"] for role in broker_users.ROLES}

    @property
    def user_passwords(self) -> dict[str, str]:
        """The passwords of Postgres' users."""
        return {user: self.passwords[f"Postgres {user}"] for user in database_users.USERS}

    def environment(self, instance: Instance) -> dict[str, str]:
        """Return the settings of processes with all rights, in the folder of an instance."""
        return exchange.environment(self.variables, self.urls, instance) | {
            "API_WORKERS": layout.COUNTS["API_WORKERS"],
            # Each host has one, in a run directory of its own.
            "STREAMS": "1",
            "TRUSTED_PROXIES": ",".join(host.address for host in HOSTS),
        }

    @property
    def for_migrate(self) -> dict[str, str]:
        """The settings that `deploy.migrate` needs besides, to make queues and users."""
        return {
            "BROKER_URL": self.urls["BROKER_URL"].partition(";")[0],
            "BROKER_MANAGEMENT_URL": self.management_url(HOSTS[0]),
            "BROKER_USERS": json.dumps(self.role_passwords),
            "DATABASE_USERS": json.dumps(self.user_passwords),
        }

    def services(self, host: Host) -> list[Program]:
        """Return the programs of a host's services."""
        return services.programs(host, instance_of(host), self.passwords)

    def processes(self, host: Host, *, shards: int) -> list[Program]:
        """Return the programs of the exchange's processes on a host."""
        environment = self.environment(instance_of(host)) | {"API_HOST": host.address, "API_PORT": str(layout.API_PORT)}
        made = exchange.programs(
            from_environment(layout.COUNTS),
            environment,
            shards=shards,
            flower_port=0,
            url=proxy_url(host),
            roles={
                role: {"BROKER_URL": layout.broker_urls(role, password), "BROKER_ROLE": role}
                for role, password in self.role_passwords.items()
            },
            users={
                user: database_users.urls_of(user, environment, password)
                for user, password in self.user_passwords.items()
            },
        )
        wanted = set(_names(host, shards))
        return [_by_the_proxy(program) for program in made if program.name in wanted]


def _by_the_proxy(program: Program) -> Program:
    """Return a program that asks its host's HAProxy if it is a client: not every host has an api."""
    if program.name != "referee":
        return program
    return replace(program, environment={**program.environment, "API_PORT": str(layout.PROXY_PORT)})


def _names(host: Host, shards: int) -> list[str]:
    """Return the names of a host's processes; shards beyond the second follow the first two in turn."""
    more = [
        f"matching.{shard}{name.removeprefix(f'matching.{shard % 2}')}"
        for name in host.processes
        for shard in range(2, shards)
        if name.startswith(f"matching.{shard % 2}")
    ]
    return [*host.processes, *more]


def instance_of(host: Host) -> Instance:
    """Return the folder of a host."""
    return Instance(CLUSTER.directory / host.name)


def supervisor_of(host: Host) -> Supervisor:
    """Return the supervisor of a host, which runs in its namespace."""
    return Supervisor(instance_of(host), enter=network.inside(host))


def proxy_url(host: Host) -> str:
    """Return the address of a host's HAProxy."""
    return f"http://{host.address}:{layout.PROXY_PORT}"


def prepared(variables: Mapping[str, str]) -> Cluster:
    """Return the cluster of this clone, and make its folders and missing passwords."""
    for host in HOSTS:
        instance_of(host).folder("logs")
    return Cluster(passwords_of(CLUSTER, secrets()), variables)


def secrets() -> list[str]:
    """Return the names of all passwords of a cluster."""
    return [
        *(name for names in services.SECRETS.values() for name in names),
        *(f"RabbitMQ {role}" for role in broker_users.ROLES),
        *(f"Postgres {user}" for user in database_users.USERS),
    ]
