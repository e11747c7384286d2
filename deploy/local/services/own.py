"""All services of an instance together: their ports, passwords, programs and addresses."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from deploy.broker_definitions import definitions
from deploy.broker_users import ROLES
from deploy.database_users import USERS
from deploy.local import ports
from deploy.local.addresses import SERVICE_URLS
from deploy.local.places import Instance, read_json, write_private
from deploy.local.programs import Program
from deploy.local.services import postgres, rabbitmq, redis

RABBITMQ, POSTGRES, REDIS = "RabbitMQ", "Postgres", "Redis"
_SERVICES = {RABBITMQ: rabbitmq, POSTGRES: postgres, REDIS: redis}


@dataclass(frozen=True, slots=True)
class Services:
    """The services that run here.

    programs  for the supervisor
    urls      addresses by variable, including the one of RabbitMQ's management for Flower
    roles     passwords of RabbitMQ's users, by role; empty if RabbitMQ is not ours
    users     passwords of Postgres' users; empty if Postgres is not ours
    """

    programs: dict[str, list[Program]]
    urls: dict[str, str]
    roles: dict[str, str]
    users: dict[str, str]

    def url_of(self, service: str) -> str:
        """Return an address of a service that runs here."""
        return next(self.urls[variable] for variable, name in SERVICE_URLS.items() if name == service)

    @property
    def all_programs(self) -> list[Program]:
        """The programs of all services."""
        return [program for some in self.programs.values() for program in some]


def prepare(instance: Instance, wanted: Collection[str], *, running: bool, defined: bool = False) -> Services:
    """Prepare the wanted services for their start.

    running  whether they run already
    defined  whether RabbitMQ imports all users, queues and routes of the exchange at each start, so that it has them
             even after it lost its data
    raises   Failure  a service is not installed
    """
    chosen = ports.choose(instance, [port for name in wanted for port in _SERVICES[name].PORTS], running=running)
    roles = {role: f"{RABBITMQ} {role}" for role in ROLES} if RABBITMQ in wanted else {}
    users = {user: f"{POSTGRES} {user}" for user in USERS} if POSTGRES in wanted else {}
    passwords = passwords_of(instance, [*wanted, *roles.values(), *users.values()])
    programs = {name: _SERVICES[name].programs(instance, chosen, passwords[name]) for name in wanted}
    role_passwords = {role: passwords[entry] for role, entry in roles.items()}
    if defined and RABBITMQ in wanted:
        known = definitions(rabbitmq.USER, passwords[RABBITMQ], role_passwords)
        programs[RABBITMQ] = rabbitmq.programs(instance, chosen, passwords[RABBITMQ], known)
    return Services(
        programs=programs,
        urls=_urls(wanted, chosen, passwords),
        roles=role_passwords,
        users={user: passwords[entry] for user, entry in users.items()},
    )


def _urls(wanted: Collection[str], chosen: Mapping[str, int], passwords: Mapping[str, str]) -> dict[str, str]:
    urls = {}
    if RABBITMQ in wanted:
        urls["BROKER_URL"] = rabbitmq.url(chosen, passwords[RABBITMQ])
        urls["FLOWER_BROKER_API"] = rabbitmq.management_url(chosen, passwords[RABBITMQ])
    if REDIS in wanted:
        urls["REDIS_URL"] = redis.url(chosen, passwords[REDIS])
    if POSTGRES in wanted:
        urls["CLEARING_DATA_URL"] = postgres.url(chosen, passwords[POSTGRES], "clearing_data")
        urls["MARKET_DATA_URL"] = postgres.url(chosen, passwords[POSTGRES], "market_data")
    return urls


def passwords_of(instance: Instance, names: Collection[str]) -> dict[str, str]:
    """Return the password of each service and user, and make missing ones."""
    file = instance.directory / "passwords.json"
    before: dict[str, str] = read_json(file)
    passwords = {name: secrets.token_hex(24) for name in names} | before
    if passwords != before:
        write_private(file, json.dumps(passwords, indent=2) + "\n")
    return passwords
