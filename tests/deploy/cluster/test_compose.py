"""deploy/cluster/docker-compose.yml runs the processes and engines of layout.py, as `make cluster` does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.cluster import layout, operate, services
from deploy.cluster.cluster import secrets
from deploy.cluster.layout import HOSTS, Host
from deploy.database_users import RIGHTS
from deploy.local.failure import Failure
from deploy.local.programs import Program
from deploy.local.variables import from_environment
from deploy.processes import Process
from tests.deploy.cluster.test_layout import cluster

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "cluster"
TEXT = (FOLDER / "docker-compose.yml").read_text()
WHOLE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = WHOLE["services"]

SHARDS = 2
PROCESSES = dict(from_environment(layout.COUNTS).processes(SHARDS))
PLACED = [(host, name) for host in HOSTS for name in host.processes]
ENGINES = [(host, name) for host in HOSTS for name in host.engines]
PASSWORD = re.compile(r"\$\{(\w+_PASSWORD)(?::\?[^}]*)?\}")


def service_of(host: Host, process: str) -> dict[str, Any]:
    """Return the service of a process; it has the name of its kind, of which a host has one."""
    return SERVICES[f"{host.name}.{PROCESSES[process].name}"]


def program_of(host: Host, process: str) -> Program:
    """Return the program that `make cluster` runs; its passwords are the names of their variables."""
    return next(program for program in cluster().processes(host, shards=SHARDS) if program.name == process)


def on_each(placed: list[tuple[Host, str]]) -> Any:
    return pytest.mark.parametrize(("host", "name"), placed, ids=[f"{host.name}.{name}" for host, name in placed])


def test_its_services_are_those_of_the_layout() -> None:
    hosts = [host.name for host in HOSTS]
    processes = [f"{host.name}.{PROCESSES[name].name}" for host, name in PLACED]
    engines = [f"{host.name}.{name}" for host, name in ENGINES]
    expected = [*hosts, *processes, *engines, "migrate"]
    assert sorted(SERVICES) == sorted(expected)


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.name)
def test_a_host_has_its_name_and_its_address(host: Host) -> None:
    holder = SERVICES[host.name]
    assert holder["hostname"] == host.name
    assert holder["networks"] == {"hosts": {"ipv4_address": host.address}}
    assert WHOLE["networks"]["hosts"]["ipam"]["config"] == [{"subnet": layout.NETWORK}]


@on_each([*PLACED, *ENGINES])
def test_a_container_is_in_the_network_of_its_host(host: Host, name: str) -> None:
    service = service_of(host, name) if name in PROCESSES else SERVICES[f"{host.name}.{name}"]
    assert service["network_mode"] == f"service:{host.name}"
    # So that no other host sees its sockets, files and data.
    volumes = {volume.partition(":")[0] for volume in service.get("volumes", [])}
    assert all(volume.partition("_")[0] == host.name or (volume, name) == ("keys", "referee") for volume in volumes)


@on_each(PLACED)
def test_a_process_has_the_command_of_make_cluster(host: Host, name: str) -> None:
    assert service_of(host, name)["command"] == ["python", *program_of(host, name).command[1:]]


@on_each(PLACED)
def test_a_process_has_the_settings_of_make_cluster(host: Host, name: str) -> None:
    process, expected = PROCESSES[name], program_of(host, name).environment
    given = {variable: as_text(value) for variable, value in service_of(host, name)["environment"].items()}
    # Settings that only the api and the streams read are without effect elsewhere.
    without_effect = {} if process.kind == "web" else {"API_WORKERS": "2", "STREAMS": "1"}
    assert given.items() <= (without_effect | dict(expected)).items()
    needed = {"SHARDS", "TRUSTED_PROXIES", *addresses_of(process)}
    if process.name in ("api", "referee"):
        needed |= {"API_HOST"}
    assert needed <= given.keys()
    assert not {"REDIS_URL", "BROKER_URL", *RIGHTS} & given.keys() - needed


def addresses_of(process: Process) -> set[str]:
    """Return the variables with the addresses that a process needs."""
    databases = {variable for variable, rights in RIGHTS.items() if process.user in rights}
    broker = {"BROKER_URL", "BROKER_ROLE"} if process.role else set()
    return databases | broker | ({"REDIS_URL"} if process.name in ("api", "streams", "data_feed") else set())


def as_text(value: Any) -> str:
    """Return a value of the environment with the names of its variables as passwords."""
    return PASSWORD.sub(r"\1", str(value))


@on_each(ENGINES)
def test_an_engine_knows_its_own_passwords_only(host: Host, name: str) -> None:
    service = SERVICES[f"{host.name}.{name}"]
    assert service["command"] == ["python3", "-m", "deploy.cluster.engine", name]
    assert set(PASSWORD.findall(str(service))) == {services.variable_of(secret) for secret in services.SECRETS[name]}
    stored = [volume for volume in service.get("volumes", []) if volume.endswith(":/var/lib/exchange")]
    assert stored == ([f"{host.name}_{name}:/var/lib/exchange"] if name in ("etcd", "patroni", "rabbitmq") else [])


def test_migrate_waits_for_both_clusters_and_everything_else_for_it() -> None:
    stores = {f"{host.name}.{engine}" for host in HOSTS for engine in ("rabbitmq", "patroni")}
    migrate = SERVICES["migrate"]
    assert (migrate["entrypoint"][2], migrate["command"][0]) == ("deploy.cluster.operate", "deploy.migrate")
    assert migrate["depends_on"].keys() == stores
    for host, name in PLACED:
        waits_for = service_of(host, name)["depends_on"]
        assert waits_for.keys() == {*stores, "migrate"}
        assert waits_for["migrate"]["condition"] == "service_completed_successfully"
    for host in HOSTS:
        assert SERVICES[f"{host.name}.patroni"]["depends_on"] == [f"{host.name}.etcd"]


def test_migrate_makes_all_users() -> None:
    environment = SERVICES["migrate"]["environment"]
    passwords = {variable for variable in environment if variable.endswith("_PASSWORD")}
    assert passwords == set(map(services.variable_of, secrets()))
    for variable in passwords:
        assert environment[variable] == f"${{{variable}:?copy .env.example to .env first}}"


def test_it_contains_no_secret_and_the_example_names_all() -> None:
    asked_for = set(re.findall(r"\$\{(\w+)", TEXT))
    given = set(re.findall(r"^(\w+)=", (FOLDER / ".env.example").read_text(), re.MULTILINE))
    ports = {"HOST_1_PORT", "HOST_2_PORT", "HOST_3_PORT"}
    assert asked_for == set(map(services.variable_of, secrets())) | ports
    assert given == asked_for | {"COMPOSE_PROJECT_NAME"}
    assert "**/.env" in (ROOT / ".dockerignore").read_text().splitlines()


def test_only_migrate_and_the_referee_see_the_keys() -> None:
    users = {name for name, service in SERVICES.items() if "keys:/run/exchange" in service.get("volumes", [])}
    assert users == {"migrate", "host-3.referee"}


def test_the_proxies_listen_on_loopback_only() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {
        host.name: [f"127.0.0.1:${{HOST_{n}_PORT:-808{n}}}:{layout.PROXY_PORT}"] for n, host in enumerate(HOSTS, 1)
    }


@on_each([(host, name) for host, name in PLACED if PROCESSES[name].kind == "worker"])
def test_a_worker_finishes_its_batch_and_stays_down_after_a_broken_invariant(host: Host, name: str) -> None:
    service = service_of(host, name)
    assert service["stop_grace_period"] == "70s"
    assert service["entrypoint"] == ["deploy/worker.sh"]
    assert service["restart"] == "on-failure"
    assert service["volumes"] == [f"{host.name}_alive:/run/exchange/alive"]
    assert f"-name '{PROCESSES[name].name}-*'" in service["healthcheck"]["test"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_may_change_nothing_and_gain_no_rights(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.keys() & {"user", "privileged", "cap_add"}  # the user is that of the image
    file = service["build"]["dockerfile"] if isinstance(service["build"], dict) else "Dockerfile"
    assert re.search(r"^USER (exchange|engine)$", (ROOT / file).read_text(), re.MULTILINE)


def test_all_volumes_are_declared() -> None:
    used = {volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert used == WHOLE["volumes"].keys()


def test_docker_compose_1_29_reads_it() -> None:
    assert not re.search(r"^(version|name|include|configs|develop):", TEXT, re.MULTILINE)
    assert "start_interval" not in TEXT
    assert "--mount" not in (FOLDER / "Dockerfile").read_text()  # of BuildKit only


def test_an_engine_needs_the_standard_library_only() -> None:
    # -S: without the packages that are installed.
    done = subprocess.run(
        [sys.executable, "-S", "-c", "import deploy.cluster.engine"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_password_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for secret in secrets():
        monkeypatch.setenv(services.variable_of(secret), "secret")
    assert operate._cluster().role_passwords["api"] == "secret"
    monkeypatch.delenv("RABBITMQ_API_PASSWORD")
    with pytest.raises(Failure, match=r"^not set: RABBITMQ_API_PASSWORD; copy \.env\.example to \.env first$"):
        operate._cluster()
