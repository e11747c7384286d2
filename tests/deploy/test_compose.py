"""docker-compose.yml runs the processes of the local run, in containers that can wait for each other."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.broker_users import ROLES
from deploy.local import exchange
from deploy.local.variables import from_environment
from deploy.processes import BOTS, Process, bots, webs, workers

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]

SHARDS = 2
WORKERS, WEBS, TRADERS = workers(SHARDS), webs(), bots(BOTS)
IN_THE_CONTAINER = ["--url", "http://api:8000", "--keys-file", "/run/exchange/keys.json"]


def by_name(processes: list[Process]) -> Any:
    return pytest.mark.parametrize("process", processes, ids=lambda process: process.name)


def test_its_services_are_the_processes_and_what_they_need() -> None:
    processes = {process.name for process in (*WORKERS, *WEBS, *TRADERS)}
    assert SERVICES.keys() - processes == {"migrate", "definitions", "rabbitmq", "postgres", "redis"}
    assert processes - SERVICES.keys() == set()


@by_name([*WORKERS, *WEBS, *TRADERS])
def test_a_process_has_the_same_command_in_its_container(process: Process) -> None:
    own = IN_THE_CONTAINER if process.kind == "bot" else []
    assert SERVICES[process.name]["command"] == ["python", "-m", *process.command, *own]


@by_name([*WORKERS, *WEBS, *TRADERS])
def test_a_container_waits_for_what_its_process_needs(process: Process) -> None:
    waits_for = SERVICES[process.name]["depends_on"]
    assert waits_for.keys() == process.needs
    for name, how in waits_for.items():
        expected = {"migrate": "service_completed_successfully", "streams": "service_started"}
        assert how["condition"] == expected.get(name, "service_healthy")
        assert name == "migrate" or "healthcheck" in SERVICES[name]


def test_there_is_a_worker_for_each_shard() -> None:
    for worker in WORKERS:
        assert SERVICES[worker.name]["environment"]["SHARDS"] == SHARDS


@by_name(WORKERS)
def test_a_worker_may_finish_its_unit_and_stays_down_when_an_invariant_broke(process: Process) -> None:
    service = SERVICES[process.name]
    assert service["stop_grace_period"] == "70s"
    assert service["entrypoint"] == ["deploy/worker.sh"]
    assert service["restart"] == "on-failure"


@by_name(WORKERS)
def test_a_worker_can_be_scaled(process: Process) -> None:
    assert not SERVICES[process.name].keys() & {"ports", "container_name", "hostname", "volumes"}


def test_bots_trade_only_when_they_are_asked_for() -> None:
    assert {name for name, service in SERVICES.items() if service.get("profiles") == ["bots"]} == set(BOTS)


def test_everything_listens_on_loopback_only() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {
        "api": ["127.0.0.1:${API_PORT:-8000}:8000"],
        "flower": ["127.0.0.1:${FLOWER_PORT:-5555}:5555"],
    }


def test_flower_remembers_as_much_as_in_the_local_run() -> None:
    programs = exchange.programs(from_environment({}), {}, shards=SHARDS, flower_port=5555, url="")
    (flower,) = [program for program in programs if program.name == "flower"]
    in_container = {name: str(value) for name, value in SERVICES["flower"]["environment"].items()}
    assert {name: in_container[name] for name in flower.environment.keys() & in_container.keys()} == {
        name: "0.0.0.0" if name == "FLOWER_ADDRESS" else value
        for name, value in flower.environment.items()
        if name in in_container
    }
    assert flower.environment.keys() - in_container.keys() == {"PYTHONUNBUFFERED"}  # the image sets that


def test_no_secret_stands_in_it_and_the_example_names_them_all() -> None:
    asked_for = set(re.findall(r"\$\{(\w+)", TEXT))
    given = set(re.findall(r"^(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    passwords = {"POSTGRES_PASSWORD", "RABBITMQ_PASSWORD", *(f"RABBITMQ_{role.upper()}_PASSWORD" for role in ROLES)}
    assert asked_for == given == passwords | {"API_PORT", "FLOWER_PORT"}


@by_name([*WORKERS, *WEBS])
def test_a_process_has_the_rights_of_its_role_and_knows_no_other_password(process: Process) -> None:
    environment = SERVICES[process.name]["environment"]
    assert environment["BROKER_ROLE"] == process.role
    known = set(re.findall(r"\$\{RABBITMQ_(\w+?)[:}]", str(environment)))
    assert known == {f"{process.role}_PASSWORD".upper()}


@by_name(TRADERS)
def test_a_bot_knows_no_password(process: Process) -> None:
    assert "PASSWORD" not in str(SERVICES[process.name])


def test_no_container_is_told_all_passwords() -> None:
    files = {name: service["env_file"] for name, service in SERVICES.items() if "env_file" in service}
    assert set(files.values()) == {"deploy/settings.env"}
    settings = (ROOT / "deploy" / "settings.env").read_text()
    assert not re.search(r"^\w*(PASSWORD|URL|USERS)", settings, re.MULTILINE)


@pytest.mark.parametrize("service", ["migrate", "definitions"])
def test_all_users_are_made_at_the_start(service: str) -> None:
    users = json.loads(re.sub(r"\$\{\w+\}", "x", SERVICES[service]["environment"]["BROKER_USERS"]))
    assert users.keys() == set(ROLES)


def test_rabbitmq_knows_users_queues_and_routes_at_each_start() -> None:
    definitions, rabbitmq = SERVICES["definitions"], SERVICES["rabbitmq"]
    assert rabbitmq["depends_on"]["definitions"]["condition"] == "service_completed_successfully"
    volumes = dict(volume.removesuffix(":ro").split(":") for volume in rabbitmq["volumes"])
    (folder,) = (volume.partition(":")[2] for volume in definitions["volumes"])
    written = definitions["command"][3].replace(folder, volumes["definitions"])
    assert f"load_definitions = {written}\n" in (ROOT / "deploy" / "rabbitmq-definitions.conf").read_text()
    assert "./deploy/rabbitmq-definitions.conf" in volumes
    assert definitions["environment"]["SHARDS"] == SHARDS


def test_docker_compose_1_29_reads_it() -> None:
    assert not re.search(r"^(version|name|include|configs|develop):", TEXT, re.MULTILINE)
    assert "start_interval" not in TEXT
    assert "--mount" not in (ROOT / "Dockerfile").read_text()  # of BuildKit only
