"""A failure is reported in one sentence with exit status 1, and no process stays behind."""

from __future__ import annotations

import re
import runpy
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from celery_app.settings import settings
from deploy.local import packages
from deploy.local.commands import up
from deploy.local.failure import Failure
from deploy.local.places import ROOT, Instance
from tests.deploy.local.clone import Clone
from tests.support.side_by_side import free_port

NOWHERE = "127.0.0.1:1"
PORTS = {"API_PORT": str(free_port()), "FLOWER_PORT": str(free_port())}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    return Clone(tmp_path_factory.mktemp("c") / "clone")


@pytest.fixture
def services() -> dict[str, str]:
    """The services of the tests, so that the command starts none."""
    s = settings()
    return {
        "BROKER_URL": s.broker_url.get_secret_value(),
        "REDIS_URL": s.redis_url.get_secret_value(),
        "CLEARING_DATA_URL": s.clearing_data_url.get_secret_value().replace("+psycopg2", ""),
        "MARKET_DATA_URL": s.market_data_url.get_secret_value().replace("+psycopg2", ""),
    }


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        pytest.param({"DATA_FEED_WORKERS": "two"}, "wrong DATA_FEED_WORKERS: it must be a number", id="variable"),
        pytest.param({"BOTS": "flod"}, "wrong BOTS: there is no bot flod; choose one of ", id="bots"),
        pytest.param({"MARKET_ORDER_BAND": "7"}, "wrong setting MARKET_ORDER_BAND: ", id="setting"),
        pytest.param({"BROKER_URL": "http://there"}, "wrong setting BROKER_URL: ", id="address"),
        pytest.param(
            {"BROKER_URL": f"amqp://guest:guest@{NOWHERE}//"},
            f"RabbitMQ does not answer at {NOWHERE} ([Errno 111] Connection refused): "
            "start it there, or correct or unset BROKER_URL",
            id="no RabbitMQ",
        ),
        pytest.param({"REDIS_URL": f"redis://{NOWHERE}/0"}, f"Redis does not answer at {NOWHERE} (", id="no Redis"),
        pytest.param(
            {"CLEARING_DATA_URL": f"postgresql://{NOWHERE}/clearing_data"},
            'Postgres refuses (connection to server at "127.0.0.1", port 1 failed: Connection refused): start it',
            id="no Postgres",
        ),
    ],
)
def test_make_up(clone: Clone, services: dict[str, str], variables: dict[str, str], sentence: str) -> None:
    ended = clone.call("up", **(PORTS | {"BOTS": "none"} | services | variables))
    assert ended.returncode == 1
    (said,) = ended.stderr.strip().splitlines()
    assert said.startswith(sentence)
    clone.call("down")


@pytest.mark.parametrize("variables", [["API_PORT"], ["FLOWER_PORT"], ["API_PORT", "FLOWER_PORT"]])
def test_ports_in_use(clone: Clone, services: dict[str, str], variables: list[str]) -> None:
    with ExitStack() as programs:
        servers = {name: programs.enter_context(socket.create_server(("127.0.0.1", 0))) for name in variables}
        taken = {name: str(server.getsockname()[1]) for name, server in servers.items()}
        ended = clone.call("up", **(PORTS | taken | services))
    assert ended.returncode == 1
    (said,) = ended.stderr.strip().splitlines()
    what = "port {} is" if len(taken) == 1 else "ports {} and {} are"
    assert said.startswith(what.format(*taken.values()) + " in use by another program")
    # One command that helps, with ports that are free.
    others = dict(re.findall(r"(\w+_PORT)=(\d+)", said))
    assert others.keys() == taken.keys()
    assert len({*others.values()} - {*taken.values(), *PORTS.values()}) == len(taken)


@pytest.mark.parametrize("command", ["status", "logs", "run"])
def test_an_exchange_that_was_never_started(tmp_path: Path, command: str) -> None:
    ended = Clone(tmp_path / "clone").call(command, "tasks.audit")
    assert ended.returncode == 1
    assert "start" in ended.stderr
    assert "`make up`" in ended.stderr


def test_a_folder_that_is_not_ours_is_not_removed(tmp_path: Path) -> None:
    clone = Clone(tmp_path / "clone")
    treasure = clone.folder / ".run" / "treasure"
    treasure.parent.mkdir()
    treasure.touch()
    ended = clone.call("clean")
    assert ended.returncode == 1
    assert "was not made by `make up`: remove it yourself" in ended.stderr
    assert treasure.exists()


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(up, "_LEAST_FREE_BYTES", 1 << 60)
    with pytest.raises(Failure, match=r"the disk of .* has only \d+ MB left: make room"):
        up.require_space()


@pytest.fixture
def without_services(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "_PROGRAMS", {name: lambda: None for name in packages.PACKAGES})


@pytest.mark.usefixtures("without_services")
def test_missing_programs_that_root_must_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("shutil.which", lambda program: f"/usr/bin/{program}")
    with pytest.raises(Failure, match=r"sudo apt-get install --no-install-recommends redis-server rabbitmq-server$"):
        packages.require(Instance(tmp_path), ["Redis", "RabbitMQ"])


@pytest.mark.usefixtures("without_services")
def test_missing_programs_without_apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda program: None if program == "apt-get" else f"/usr/bin/{program}")
    with pytest.raises(Failure, match=r"your system's packages for postgresql, or use Docker: .*docker-compose up$"):
        packages.require(Instance(tmp_path), ["Postgres"])


@pytest.mark.parametrize(("system", "package"), [("debian", "chromium-headless-shell"), ("ubuntu", "chromium-browser")])
def test_a_package_has_the_name_that_it_has_on_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, package: str
) -> None:
    release = tmp_path / "os-release"
    release.write_text(f'NAME="Some Linux"\nID={system}\nVERSION_ID="24.04"\n')
    monkeypatch.setattr(packages, "_OS_RELEASE", release)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("shutil.which", lambda name: None if name.startswith("chromium") else f"/usr/bin/{name}")
    with pytest.raises(Failure, match=rf"--no-install-recommends {package}$"):
        packages.require(Instance(tmp_path), [], tools=["curl", packages.BROWSER])


@pytest.mark.parametrize("version", [(3, 10, 12), (3, 14, 0)])
def test_a_python_that_is_too_old_or_too_new(monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...]) -> None:
    monkeypatch.setattr("sys.version_info", version)
    with pytest.raises(SystemExit, match=rf"Python 3\.11 to 3\.13, and this is 3\.{version[1]}: .*make up PYTHON="):
        runpy.run_path(str(ROOT / "deploy" / "local" / "__init__.py"))


def test_a_system_without_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(SystemExit, match=r"on Linux only; on this system, use Docker instead: .*docker-compose up$"):
        runpy.run_path(str(ROOT / "deploy" / "local" / "__init__.py"))


def test_packages_start_nothing_while_they_are_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy, cluster = tmp_path / "policy-rc.d", tmp_path / "created" / "exchange.conf"
    monkeypatch.setattr(packages, "_START_POLICY", policy)
    monkeypatch.setattr(packages, "_CLUSTER_POLICY", cluster)

    def install_and_be_interrupted() -> None:
        with packages.nothing_started():
            assert policy.stat().st_mode & 0o777 == 0o755
            assert "exit 101" in policy.read_text()
            assert cluster.read_text() == "create_main_cluster = false\n"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        install_and_be_interrupted()
    assert not policy.exists()
    assert not cluster.exists()


def test_a_policy_of_the_machine_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text("of the machine")
    monkeypatch.setattr(packages, "_START_POLICY", policy)
    monkeypatch.setattr(packages, "_CLUSTER_POLICY", tmp_path / "exchange.conf")
    with packages.nothing_started():
        assert policy.read_text() == "of the machine"
    assert policy.read_text() == "of the machine"
