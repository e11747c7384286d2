"""Each process of the local run gets the addresses for its role, and no secret that it does not need."""

from __future__ import annotations

from deploy.broker_users import ROLES
from deploy.database_users import RIGHTS, USERS, urls_of
from deploy.local import exchange
from deploy.local.addresses import SERVICE_URLS
from deploy.local.variables import from_environment
from deploy.processes import BOTS as NAMED
from deploy.processes import NEWSROOM

BOTS = (*NAMED, NEWSROOM)

SETTINGS = {
    "BROKER_URL": "amqp://exchange:all@127.0.0.1:1//",
    "FLOWER_BROKER_API": "http://exchange:all@127.0.0.1:2/api/",
    "REDIS_URL": "redis://127.0.0.1:3/0",
    "CLEARING_DATA_URL": "postgresql://x:y@127.0.0.1:4/c",
    "MARKET_DATA_URL": "postgresql://x:y@127.0.0.1:4/m",
    "RUN_DIRECTORY": "/somewhere",
    "FLOWER_BASIC_AUTH": "someone:all",
    "DATABASE_USERS": '{"api": "all"}',
}
EXPECTED_ROLES = {
    "order_entry": "order_entry",
    "matching.0": "matching",
    "matching.1": "matching",
    "matching.1-2": "matching",
    "order_execution": "order_execution",
    "data_feed": "data_feed",
    "catch_up": "catch_up",
    "api": "api",
    "streams": "api",
    "flower": "flower",
    "scheduler": "scheduler",
}


def environments(
    roles: dict[str, dict[str, str]], users: dict[str, dict[str, str]] | None = None
) -> dict[str, dict[str, str]]:
    variables = from_environment({"MATCHING_STANDBYS": "1"})
    programs = exchange.programs(variables, SETTINGS, shards=2, flower_port=5, url="", roles=roles, users=users)
    return {program.name: dict(program.environment) for program in programs}


def test_each_process_has_the_rights_of_its_role() -> None:
    roles = {role: {"BROKER_URL": f"amqp://{role}@x", "BROKER_ROLE": role} for role in ROLES}
    roles["flower"]["FLOWER_BROKER_API"] = "http://flower@x"
    environment_of = environments(roles)
    without = {"referee", *BOTS}
    found = {name: environment["BROKER_ROLE"] for name, environment in environment_of.items() if name not in without}
    assert EXPECTED_ROLES.items() <= found.items()
    for name, environment in environment_of.items():
        assert ("BROKER_URL" in environment) == (name not in without)
        if name not in without:
            assert environment["BROKER_URL"] == f"amqp://{environment['BROKER_ROLE']}@x"
        assert ("FLOWER_BROKER_API" in environment) == (name == "flower")
        assert ("FLOWER_BASIC_AUTH" in environment) == (name == "flower")
        assert "all" not in str(environment) or name == "flower"


def test_each_process_has_the_rights_of_its_user_in_postgres() -> None:
    users = {user: urls_of(user, SETTINGS, f"secret-of-{user}") for user in USERS}
    environment_of = environments({}, users)
    for name, environment in environment_of.items():
        user = "" if name in ("flower", *BOTS) else name.partition(".")[0]
        given = {variable: environment[variable] for variable in RIGHTS if variable in environment}
        assert given == users.get(user, {}), name
        assert "DATABASE_USERS" not in environment
    assert environment_of["data_feed"].keys() & RIGHTS.keys() == {"MARKET_DATA_URL"}
    assert environment_of["scheduler"].keys() & RIGHTS.keys() == {"MARKET_DATA_URL"}
    assert environment_of["order_entry"].keys() & RIGHTS.keys() == {"CLEARING_DATA_URL"}


def test_a_callers_postgres_has_one_user_for_all() -> None:
    for name, environment in environments({}).items():
        if name not in ("flower", *BOTS):
            assert environment["CLEARING_DATA_URL"] == SETTINGS["CLEARING_DATA_URL"], name


def test_a_bot_gets_only_its_own_key() -> None:
    programs = exchange.programs(from_environment({}), SETTINGS, shards=2, flower_port=5, url="http://x")
    shown = {program.name: program.command[-1] for program in programs if program.name in BOTS}
    assert shown == {name: f"/somewhere/keys/{name.upper()}/keys.json" for name in BOTS}


def test_a_bot_gets_no_address_of_a_service() -> None:
    environment_of = environments({})
    for name in BOTS:
        assert not environment_of[name].keys() & SERVICE_URLS.keys(), name
        assert "all" not in str(environment_of[name])


def test_a_callers_broker_has_one_user_for_all() -> None:
    environment_of = environments({})
    for name in EXPECTED_ROLES:
        assert environment_of[name]["BROKER_URL"] == SETTINGS["BROKER_URL"]
        assert "BROKER_ROLE" not in environment_of[name]
