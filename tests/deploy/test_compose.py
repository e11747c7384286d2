"""docker-compose.yml runs the processes of the local run in containers that wait for each other."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy import market_file
from deploy.broker_users import ROLES
from deploy.database_users import RIGHTS, USERS
from deploy.processes import Process, bots, referee, scheduler, webs, workers

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]

SHARDS = 2
WORKERS, WEBS, TRADERS = (
    workers(SHARDS),
    [*webs(), scheduler()],
    bots(market_file.read(ROOT / "deploy/exchange.toml").crews()),
)
BOTS = {process.name for process in TRADERS}
IN_THE_CONTAINER = ["--url", "http://api:8000", "--keys-file", "/run/key/keys.json"]
ALIVE = "alive:/run/exchange/alive"
STORES = {"rabbitmq", "postgres", "redis"}
WATCHERS, WATCHERS_PORTS = {"prometheus", "grafana"}, {"PROMETHEUS_PORT", "GRAFANA_PORT"}


def networks_of(name: str) -> set[str]:
    return set(SERVICES[name].get("networks", {"default"}))


def by_name(processes: list[Process]) -> Any:
    return pytest.mark.parametrize("process", processes, ids=lambda process: process.name)


def test_its_services_are_the_processes_and_what_they_need() -> None:
    processes = {process.name for process in (*WORKERS, *WEBS, *TRADERS, referee())}
    assert SERVICES.keys() - processes == {"migrate", "definitions", "caddy", *WATCHERS, *STORES}
    assert processes - SERVICES.keys() == set()


@by_name([*WORKERS, *WEBS, *TRADERS, referee()])
def test_a_process_has_the_same_command_in_its_container(process: Process) -> None:
    own = IN_THE_CONTAINER if process.kind == "bot" else []
    assert SERVICES[process.name]["command"] == ["python", "-m", *process.command, *own]


@by_name([*WORKERS, *WEBS, *TRADERS, referee()])
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
def test_a_worker_finishes_its_batch_and_stays_down_after_a_broken_invariant(process: Process) -> None:
    service = SERVICES[process.name]
    assert service["stop_grace_period"] == "70s"
    assert service["entrypoint"] == ["deploy/worker.sh"]
    assert service["restart"] == "on-failure"


@by_name(WORKERS)
def test_a_worker_can_be_scaled(process: Process) -> None:
    service = SERVICES[process.name]
    assert not service.keys() & {"ports", "container_name", "hostname"}
    # The files there have the names of their containers.
    assert service["volumes"] == [ALIVE]
    assert '-name "*@$$(hostname)"' in service["healthcheck"]["test"]


def test_the_api_sees_what_the_workers_count() -> None:
    assert {name for name, service in SERVICES.items() if ALIVE in service.get("volumes", [])} == {
        *(process.name for process in WORKERS),
        "api",
        "referee",  # it has a file, too, in the folder that it shares with the api
    }
    owned = re.search(r"install --directory --owner exchange .*", (ROOT / "Dockerfile").read_text())
    assert owned
    assert f" {ALIVE.partition(':')[2]} " in owned.group()  # a new volume takes the owner from the image


def test_bots_trade_only_on_request() -> None:
    assert {name for name, service in SERVICES.items() if service.get("profiles") == ["bots"]} == BOTS


def test_everything_listens_on_loopback_by_default() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {
        "api": ["127.0.0.1:${API_PORT:-8000}:8000"],
        "flower": ["${FLOWER_ADDRESS:-127.0.0.1}:${FLOWER_PORT:-5555}:5555"],
        "caddy": ["${PUBLIC_HTTP_PORT:-80}:80", "${PUBLIC_HTTPS_PORT:-443}:443"],
        "prometheus": ["127.0.0.1:${PROMETHEUS_PORT:-9090}:9090"],
        "grafana": ["127.0.0.1:${GRAFANA_PORT:-3000}:3000"],
    }
    assert SERVICES["caddy"]["profiles"] == ["public"]
    assert {name for name, service in SERVICES.items() if service.get("profiles") == ["observability"]} == WATCHERS


def test_flower_knows_where_it_is_published() -> None:
    variables = SERVICES["flower"]["environment"]
    assert variables["FLOWER_PUBLISHED_AT"] == "${FLOWER_ADDRESS:-127.0.0.1}"
    assert variables["FLOWER_BASIC_AUTH"] == "${FLOWER_BASIC_AUTH:-}"


def test_the_referee_has_its_own_rights_and_finds_the_api() -> None:
    environment = SERVICES["referee"]["environment"]
    assert set(re.findall(r"\$\{(\w+_PASSWORD)[:}]", str(environment))) == {"POSTGRES_REFEREE_PASSWORD"}
    assert {variable for variable in RIGHTS if variable in environment} == {"CLEARING_DATA_URL"}
    assert (environment["API_HOST"], environment["API_PORT"]) == ("api", 8000)
    assert networks_of("referee") & networks_of("api") == {"back"}


def test_it_contains_no_secret_and_the_example_names_all() -> None:
    asked_for = set(re.findall(r"\$\{(\w+)", TEXT))
    given = set(re.findall(r"^(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    passwords = {
        "POSTGRES_PASSWORD",
        *(f"POSTGRES_{user.upper()}_PASSWORD" for user in USERS),
        "RABBITMQ_PASSWORD",
        *(f"RABBITMQ_{role.upper()}_PASSWORD" for role in ROLES),
        "REDIS_PASSWORD",
        "FLOWER_BASIC_AUTH",
    }
    public = {"PUBLIC", "PUBLIC_TLS", "PUBLIC_HTTP_PORT", "PUBLIC_HTTPS_PORT", "EDGE_SUBNET", "EDGE_PROXY"}
    assert asked_for == given == passwords | public | {"API_PORT", "FLOWER_PORT", "FLOWER_ADDRESS", *WATCHERS_PORTS}


@by_name([*WORKERS, *WEBS])
def test_a_process_has_the_rights_of_its_role_and_knows_no_other_password(process: Process) -> None:
    environment = SERVICES[process.name]["environment"]
    assert environment["BROKER_ROLE"] == process.role
    known = set(re.findall(r"\$\{(\w+_PASSWORD)[:}]", str(environment)))
    redis = {"REDIS_PASSWORD"} if process.name in ("api", "streams", "data_feed") else set()
    postgres = {f"POSTGRES_{process.user}_PASSWORD".upper()} if process.user else set()
    assert known == {f"RABBITMQ_{process.role}_PASSWORD".upper()} | postgres | redis
    urls = {variable for variable in RIGHTS if variable in environment}
    assert urls == {variable for variable, rights in RIGHTS.items() if process.user in rights}
    for variable in urls:
        assert environment[variable].startswith(f"postgresql://{process.user}:")


@by_name(TRADERS)
def test_a_bot_knows_no_password(process: Process) -> None:
    assert "PASSWORD" not in str(SERVICES[process.name])


@by_name(TRADERS)
def test_a_bot_sees_only_its_own_key_and_the_api(process: Process) -> None:
    service = SERVICES[process.name]
    assert service["volumes"] == [f"{process.name}_key:/run/key:ro"]
    assert f"{process.name}_key:/run/exchange/keys/{process.name.upper()}" in SERVICES["migrate"]["volumes"]
    reached = {name for name in SERVICES if networks_of(name) & networks_of(process.name)}
    assert reached == {"api", *BOTS}


def test_what_watches_reaches_no_store() -> None:
    for name in WATCHERS:
        reached = {other for other in SERVICES if networks_of(other) & networks_of(name)}
        assert reached <= {"api", "flower", *WATCHERS}


def test_the_stores_are_on_an_isolated_network() -> None:
    assert {name for name in SERVICES if networks_of(name) == {"back"}} >= STORES
    assert yaml.safe_load(TEXT)["networks"]["back"] == {"internal": True}
    assert not any("ports" in SERVICES[name] for name in STORES)
    assert not networks_of("caddy") & networks_of("postgres")


@by_name([*WORKERS, *WEBS, *TRADERS, referee()])
def test_a_container_may_change_nothing_and_gain_no_rights(process: Process) -> None:
    service = SERVICES[process.name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "user" not in service  # that of the image
    assert re.search(r"^USER exchange$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)


def test_the_image_has_the_folders_of_the_keys_for_their_account() -> None:
    (folders,) = re.findall(r"for process in ([A-Z0-9_ \\\n-]+);", (ROOT / "Dockerfile").read_text())
    assert folders.replace("\\", "").split() == [process.name.upper() for process in TRADERS]


def test_the_api_trusts_only_caddy() -> None:
    address = SERVICES["caddy"]["networks"]["edge"]["ipv4_address"]
    assert SERVICES["api"]["environment"]["TRUSTED_PROXIES"] == address
    assert {name for name in SERVICES if "edge" in networks_of(name)} == {"api", "caddy"}


def test_the_password_of_redis_is_on_no_command_line() -> None:
    redis = SERVICES["redis"]
    assert "${REDIS_PASSWORD}" not in str(redis["entrypoint"])
    assert "requirepass $$REDIS_PASSWORD" in redis["entrypoint"][-1]


def test_no_container_gets_all_passwords() -> None:
    files = {name: service["env_file"] for name, service in SERVICES.items() if "env_file" in service}
    assert set(files.values()) == {"deploy/settings.env"}
    settings = (ROOT / "deploy" / "settings.env").read_text()
    assert not re.search(r"^\w*(PASSWORD|URL|USERS)", settings, re.MULTILINE)


@pytest.mark.parametrize("service", ["migrate", "definitions"])
def test_all_users_are_made_at_the_start(service: str) -> None:
    users = json.loads(re.sub(r"\$\{\w+\}", "x", SERVICES[service]["environment"]["BROKER_USERS"]))
    assert users.keys() == set(ROLES)
    text = re.sub(r"\$\{\w+(:\?[^}]*)?\}", "x", SERVICES["migrate"]["environment"]["DATABASE_USERS"])
    assert json.loads(text).keys() == set(USERS)


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
