"""`make up` and other commands in another clone: private services, all processes, one bot."""

from __future__ import annotations

import json
import os
import signal
import ssl
import stat
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from deploy.local import environment_file
from deploy.local.places import Instance
from deploy.local.ports import is_free
from deploy.local.supervisor import Supervisor
from deploy.processes import BOTS, NEWSROOM
from tests.deploy.local.clone import Clone
from tests.deploy.local.test_preloaded import is_fork
from tests.support.side_by_side import free_port

API_PORT, FLOWER_PORT = free_port(), free_port()
VARIABLES = {"API_PORT": str(API_PORT), "FLOWER_PORT": str(FLOWER_PORT), "BOTS": "uniform", "LOG_LEVEL": "WARNING"}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    clone = Clone(tmp_path_factory.mktemp("c") / "clone")
    started = clone.call("up", **VARIABLES)
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        yield clone
    finally:
        clone.call("clean")


@pytest.fixture
def instance(clone: Clone) -> Instance:
    return Instance(clone.folder / ".run")


@pytest.fixture
def supervisor(instance: Instance) -> Supervisor:
    return Supervisor(instance)


def pids(supervisor: Supervisor) -> dict[str, int]:
    return {state.name: state.pid for state in supervisor.states()}


def wait_until(condition: Callable[[], bool], timeout_s: float = 120) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def rows(table: str) -> dict[str, list[str]]:
    """Return the rows of a table of `make status`, by their first word."""
    return {line.split()[0]: line.split()[1:] for line in table.splitlines()}


def get(path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{API_PORT}{path}", timeout=10) as answer:
        return json.load(answer)


def test_everything_runs_and_trades(supervisor: Supervisor) -> None:
    assert {state.state for state in supervisor.states()} == {"RUNNING"}
    assert pids(supervisor).keys() == {
        "epmd", "rabbitmq", "postgres", "redis", "order_entry", "matching.0", "matching.1", "order_execution",
        "data_feed", "catch_up", "streams", "api", "flower", "uniform", "newsroom", "scheduler", "referee",
    }  # fmt: skip
    wait_until(lambda: get("/book/MSFT")["sequence"] > 0)
    assert {name for name, pid in pids(supervisor).items() if is_fork(pid)} == {
        "order_entry", "matching.0", "matching.1", "order_execution", "data_feed", "catch_up", "flower", "scheduler",
        "referee",
    }  # fmt: skip


def test_secrets_are_readable_by_their_owner_only_and_on_no_command_line(instance: Instance) -> None:
    secret_files = [
        "env",
        "keys.json",
        "passwords.json",
        "supervisor.conf",
        "rabbitmq/rabbitmq.conf",
        "redis/redis.conf",
    ]
    for name in secret_files:
        assert stat.S_IMODE((instance.directory / name).stat().st_mode) == 0o600, name
    secrets = [
        *json.loads((instance.directory / "passwords.json").read_text()).values(),
        *json.loads((instance.directory / "keys.json").read_text()).values(),
    ]
    for command_line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = command_line.read_text(errors="replace")
        except OSError:
            continue  # it has ended
        assert not any(secret in text for secret in secrets)
    for log in instance.logs.glob("*.log"):
        assert not any(secret in log.read_text(errors="replace") for secret in secrets), log


def test_settings_of_the_caller_are_passed_on(instance: Instance) -> None:
    assert environment_file.read(instance)["LOG_LEVEL"] == "WARNING"


def test_each_process_is_its_roles_user_at_rabbitmq(supervisor: Supervisor, instance: Instance) -> None:
    admin = environment_file.read(instance)["BROKER_URL"]
    password = urlsplit(admin).password
    assert password
    for name, pid in pids(supervisor).items():
        variables = psutil.Process(pid).environ()
        if name in ("rabbitmq", "epmd", "postgres", "redis"):
            continue
        assert password not in str(variables), name
        if name in (*BOTS, NEWSROOM, "referee"):  # they come in by the front door
            assert "BROKER_URL" not in variables
        else:
            assert urlsplit(variables["BROKER_URL"]).username == variables["BROKER_ROLE"]


def test_each_process_is_its_own_user_in_postgres(supervisor: Supervisor, instance: Instance) -> None:
    owner = urlsplit(environment_file.read(instance)["CLEARING_DATA_URL"]).password
    assert owner
    found = {}
    for name, pid in pids(supervisor).items():
        variables = psutil.Process(pid).environ()
        assert owner not in str(variables), name
        urls = [variables[variable] for variable in ("CLEARING_DATA_URL", "MARKET_DATA_URL") if variable in variables]
        found[name] = {urlsplit(url).username for url in urls}
    assert found["api"] == {"api"}
    assert found["streams"] == {"streams"}
    assert found["matching.0"] == {"matching"}
    assert found["data_feed"] == {"data_feed"}
    assert found["scheduler"] == {"scheduler"}
    assert found["flower"] == found["uniform"] == found["newsroom"] == set()


def test_a_bot_knows_only_its_own_key(supervisor: Supervisor, instance: Instance) -> None:
    keys = json.loads((instance.directory / "keys.json").read_text())
    bot = psutil.Process(pids(supervisor)["uniform"])
    (file,) = [Path(word) for word in bot.cmdline() if word.endswith("keys.json")]
    assert json.loads(file.read_text()) == {"UNIFORM": keys["UNIFORM"]}
    assert not any(key in str(bot.environ()) for key in keys.values())


def test_a_second_run_changes_nothing(clone: Clone, supervisor: Supervisor) -> None:
    before = pids(supervisor)
    again = clone.call("up", **VARIABLES)
    assert again.returncode == 0, again.stderr
    assert pids(supervisor) == before


def test_more_workers_join_the_running_ones(clone: Clone, supervisor: Supervisor) -> None:
    before = pids(supervisor)
    more = clone.call("up", **VARIABLES, ORDER_ENTRY_WORKERS="2", MATCHING_STANDBYS="1")
    assert more.returncode == 0, more.stderr
    after = pids(supervisor)
    assert after.keys() - before.keys() == {"order_entry-2", "matching.0-2", "matching.1-2"}
    assert {name: after[name] for name in before} == before


def test_fewer_shards_are_refused_and_disturb_nothing(clone: Clone, supervisor: Supervisor) -> None:
    before = pids(supervisor)
    refused = clone.call("up", **VARIABLES, SHARDS="1")
    assert refused.returncode == 1
    assert refused.stderr.strip().startswith("the database has 2 shards and SHARDS is 1")
    assert pids(supervisor) == before


def test_status_counts_restarts_and_knows_the_queues(clone: Clone, supervisor: Supervisor) -> None:
    killed = pids(supervisor)["data_feed"]
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: pids(supervisor)["data_feed"] not in (0, killed))
    supervisor.wait_until_up(["data_feed"])
    status = clone.call("status")
    assert status.returncode == 0, status.stdout
    processes, queues, stores = map(rows, status.stdout.strip().split("\n\n"))
    assert processes["data_feed"][-1] == "1"
    assert {row[-1] for name, row in processes.items() if name not in ("process", "data_feed")} == {"0"}
    assert " ".join(queues["matching.0"]) == "0 1 + 1 standing by"
    assert queues["dead_letter"] == ["0", "0"]
    assert {"clearing_data", "market_data", "logs", "together"} <= stores.keys()


def test_the_audit_runs_on_it(clone: Clone) -> None:
    audit = clone.call("run", "tasks.audit")
    assert audit.returncode == 0, audit.stdout + audit.stderr


def test_a_public_door_opens_and_closes_with_its_variable(
    clone: Clone, supervisor: Supervisor, instance: Instance
) -> None:
    door = {
        "PUBLIC": "localhost",
        "PUBLIC_HTTP_PORT": str(free_port()),
        "PUBLIC_HTTPS_PORT": str(free_port()),
        "MAX_REQUEST_ORDERS": "7",
    }
    up = clone.call("up", **VARIABLES, **door)
    assert up.returncode == 0, up.stderr
    assert f"https://localhost:{door['PUBLIC_HTTPS_PORT']}" in up.stdout
    variables = psutil.Process(pids(supervisor)["api"]).environ()
    assert (variables["TRUSTED_PROXIES"], variables["MAX_REQUEST_ORDERS"]) == ("127.0.0.1", "7")
    root = instance.directory / "caddy" / "pki" / "authorities" / "local" / "root.crt"
    wait_until(root.exists)
    context = ssl.create_default_context(cafile=str(root))
    address = f"https://localhost:{door['PUBLIC_HTTPS_PORT']}/book/MSFT"

    def answers() -> bool:
        try:
            with urllib.request.urlopen(address, timeout=10, context=context) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    wait_until(answers)

    up = clone.call("up", **VARIABLES)
    assert up.returncode == 0, up.stderr
    assert "caddy" not in pids(supervisor)
    variables = psutil.Process(pids(supervisor)["api"]).environ()
    assert not variables.keys() & {"TRUSTED_PROXIES", "MAX_REQUEST_ORDERS", "PUBLIC"}
    assert not environment_file.read(instance).keys() & {"TRUSTED_PROXIES", "MAX_REQUEST_ORDERS"}


def test_flower_is_not_opened_to_others_without_a_password(clone: Clone, supervisor: Supervisor) -> None:
    before = pids(supervisor)
    refused = clone.call("up", **VARIABLES, FLOWER_ADDRESS="0.0.0.0")
    assert refused.returncode == 1
    assert refused.stderr.strip().startswith(
        "Flower would listen on 0.0.0.0 without a password: set FLOWER_BASIC_AUTH="
    )
    assert pids(supervisor) == before


def test_down_stops_everything_and_leaves_a_folder_that_can_be_copied(
    clone: Clone, instance: Instance, supervisor: Supervisor, tmp_path: Path
) -> None:
    running = [pid for pid in pids(supervisor).values() if pid]
    key = json.loads((instance.directory / "keys.json").read_text())
    assert clone.call("down").returncode == 0
    assert not supervisor.runs()
    assert not any(Path(f"/proc/{pid}").exists() for pid in running)
    assert is_free(API_PORT)
    assert clone.call("down").returncode == 0  # having nothing to stop is not a failure

    # A backup, and its return, as docs/operations.md has them.
    subprocess.run(["cp", "-a", instance.directory, tmp_path / "backup"], check=True)
    subprocess.run(["rm", "-r", instance.directory], check=True)
    subprocess.run(["cp", "-a", tmp_path / "backup", instance.directory], check=True)
    assert clone.call("up", **VARIABLES).returncode == 0
    assert json.loads((instance.directory / "keys.json").read_text()) == key
    assert get("/trades/MSFT")
