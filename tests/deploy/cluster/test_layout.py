"""The cluster runs every process of the exchange, and no host has both of what may be lost once."""

from __future__ import annotations

import re
import shlex

import msgspec
import pytest
import yaml
from sqlalchemy import make_url

from api.operations.health import CHECK_S
from celery_app.settings import Settings
from deploy.cluster import layout, services
from deploy.cluster.cluster import Cluster, _names, secrets
from deploy.cluster.layout import COUNTS, HOSTS, Host
from deploy.local.variables import from_environment

VALUES = {
    "name": "host-1",
    "address": "10.77.0.11",
    "network": layout.NETWORK,
    "etcd_hosts": "10.77.0.11:2379",
    "folder": "/folder",
    "data": "/folder/data",
    "binaries": "/bin",
    "settings": "/folder/exchange.conf",
    "user": "exchange",
    "password": "secret",
    "replicator": "replicator",
    "replicator_password": "secret",
}


def _processes(host: Host, shards: int = 2) -> set[str]:
    return set(_names(host, shards))


@pytest.mark.parametrize("shards", [2, 4, 5])
def test_every_process_runs_and_has_its_rights(shards: int) -> None:
    known = {name for name, _ in from_environment(COUNTS).processes(shards)} - {"flower"}
    assert set().union(*(_processes(host, shards) for host in HOSTS)) == known


@pytest.mark.parametrize("shard", range(4))
def test_a_matching_worker_and_its_standby_are_on_different_hosts(shard: int) -> None:
    of_shard = [{f"matching.{shard}", f"matching.{shard}-2"} & _processes(host, 4) for host in HOSTS]
    assert sorted(len(some) for some in of_shard) == [0, 1, 1]


@pytest.mark.parametrize("lost", HOSTS, ids=lambda host: host.name)
def test_without_any_host_every_stage_goes_on(lost: Host) -> None:
    left = {name.partition("-")[0] for host in HOSTS if host != lost for name in _processes(host)}
    stages = {"api", "streams", "order_entry", "matching.0", "matching.1", "order_execution", "data_feed"}
    assert stages | {"catch_up", "scheduler"} <= left


def test_addresses_name_every_host() -> None:
    settings = Settings(
        broker_url=layout.broker_urls("api", "secret"),
        clearing_data_url=layout.database_url("api", "secret", "clearing_data"),
    )
    assert settings.broker_url.get_secret_value().count("amqp://") == len(HOSTS)
    url = make_url(settings.clearing_data_url.get_secret_value())
    assert url.query["host"] == tuple(f"{host.address}:5432" for host in HOSTS)
    assert url.query["target_session_attrs"] == "read-write"


def test_the_referee_asks_an_address_at_which_something_listens() -> None:
    (host,) = (host for host in HOSTS if "referee" in host.processes)
    (referee,) = (program for program in cluster().processes(host, shards=2) if program.name == "referee")
    listening = {(one.address, layout.API_PORT) for one in layout.apis()}
    listening |= {(one.address, layout.PROXY_PORT) for one in HOSTS}
    assert (referee.environment["API_HOST"], int(referee.environment["API_PORT"])) in listening


def cluster() -> Cluster:
    """Return a cluster in which each password is the name of its variable."""
    return Cluster({name: services.variable_of(name) for name in secrets()}, {"SHARDS": "2"})


# -- what the templates must say -----------------------------------------------------------------------------------


def test_no_acknowledged_commit_is_on_one_disk_alone() -> None:
    patroni = yaml.safe_load(services._filled("patroni.yml", **VALUES))
    dcs = patroni["bootstrap"]["dcs"]
    assert dcs["synchronous_mode"] is True
    assert dcs["synchronous_mode_strict"] is True
    assert dcs["ttl"] >= dcs["loop_wait"] + 2 * dcs["retry_timeout"], "a primary would lose its lock while it retries"
    assert patroni["postgresql"]["custom_conf"] == "/folder/exchange.conf"


def test_a_primary_that_lost_its_lock_does_not_write_it_again() -> None:
    patroni = yaml.safe_load(services._filled("patroni.yml", **VALUES))
    assert patroni["etcd"] == {"hosts": "10.77.0.11:2379"}  # compares before it writes
    assert "etcd3" not in patroni  # Patroni 3.0 does not


def test_patroni_reaches_its_own_postgres_without_a_network() -> None:
    patroni = yaml.safe_load(services._filled("patroni.yml", **VALUES))
    assert patroni["postgresql"]["use_unix_socket"] is True
    assert patroni["postgresql"]["remove_data_directory_on_rewind_failure"] is True
    assert patroni["postgresql"]["parameters"]["unix_socket_directories"] == "/folder"
    assert {"auth-local": "scram-sha-256"} in patroni["bootstrap"]["initdb"]


def test_a_node_of_rabbitmq_without_a_majority_pauses() -> None:
    text = services._filled("rabbitmq.conf", address="10.77.0.11", user="exchange", password="secret", peers="peers")
    assert "cluster_partition_handling = pause_minority" in text.splitlines()


def proxies_use(answer: bytes) -> bool:
    """Return whether HAProxy uses an api that answers its check like this."""
    text = services._filled("haproxy.cfg", address="10.77.0.11", servers="    server host-1 10.77.0.11:8000 check")
    checks, expected = text.count("GET /health/ready"), re.findall(r"^    http-check expect (.+)$", text, re.MULTILINE)
    assert checks == len(expected) == text.count("\nbackend ") == 2
    for rule in expected:
        negation, kind, pattern = shlex.split(rule)
        assert (negation, kind) == ("!", "rstring")
        if re.search(pattern, answer.decode()):
            return False
    return True


@pytest.mark.parametrize("state", ["away", "does not answer", "no worker"])
@pytest.mark.parametrize("lacks", ["rabbitmq", "clearing_data", "market_data", "redis", "order_execution"])
def test_the_proxies_use_an_api_that_lacks_what_all_hosts_lack(lacks: str, state: str) -> None:
    dependencies = {"rabbitmq": "ok", "redis": "ok", "streams": "ok", lacks: state}
    assert proxies_use(msgspec.json.encode({"status": 503, "dependencies": dependencies}))


@pytest.mark.parametrize("state", ["away", "does not answer"])
def test_the_proxies_use_no_api_whose_host_serves_no_streams(state: str) -> None:
    assert not proxies_use(msgspec.json.encode({"status": 503, "dependencies": {"redis": "ok", "streams": state}}))


def test_a_check_of_the_proxies_waits_longer_than_the_api() -> None:
    text = services._filled("haproxy.cfg", address="10.77.0.11", servers="")
    (patience_s,) = re.findall(r"timeout check (\d+)s$", text, re.MULTILINE)
    assert int(patience_s) > CHECK_S
