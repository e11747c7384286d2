"""Waits until the services of the cluster are one."""

from __future__ import annotations

from collections.abc import Callable

import requests
from requests import RequestException
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from deploy.cluster import layout
from deploy.cluster.cluster import Cluster, proxy_url
from deploy.cluster.layout import HOSTS
from deploy.local.failure import Failure
from deploy.local.supervisor import wait_until

START_S = 300
_ANSWER_S = 5


def _nothing() -> None:
    """Check nothing: something else starts again what fails."""


def wait_for_rabbitmq(cluster: Cluster, *, still_up: Callable[[], None] = _nothing) -> None:
    """Return when all nodes of RabbitMQ are in one cluster. Raises Failure."""

    def are_one() -> bool:
        still_up()
        return running_nodes(cluster) == len(HOSTS)

    wait_until(are_one, START_S, "RabbitMQ did not form a cluster of three")


def running_nodes(cluster: Cluster) -> int:
    """Return how many nodes run in the cluster of RabbitMQ that the first host that answers belongs to."""
    for host in HOSTS:
        try:
            nodes = requests.get(f"{cluster.management_url(host)}nodes", timeout=_ANSWER_S)
            nodes.raise_for_status()
            return sum(bool(node["running"]) for node in nodes.json())
        except (RequestException, ValueError):
            continue
    return 0


def wait_for_postgres(cluster: Cluster, *, still_up: Callable[[], None] = _nothing) -> None:
    """Return when there is a primary with a synchronous standby. Raises Failure."""

    def is_safe() -> bool:
        still_up()
        return "sync" in standbys(cluster).values()

    wait_until(is_safe, START_S, "Postgres has no primary with a synchronous standby")


def standbys(cluster: Cluster) -> dict[str, str]:
    """Return the kind of replication of each standby, by host; empty while there is no primary."""
    engine = create_engine(cluster.database_url("postgres"), connect_args={"connect_timeout": _ANSWER_S})
    try:
        with engine.connect() as tx:
            rows = tx.execute(text("SELECT application_name, sync_state FROM pg_stat_replication"))
            return {row.application_name: row.sync_state for row in rows}
    except DBAPIError:
        return {}
    finally:
        engine.dispose()


def patroni_roles() -> dict[str, str]:
    """Return what each host's Patroni says it is: `master`, `replica` or `away`."""
    roles = {}
    for host in HOSTS:
        try:
            answer = requests.get(f"http://{host.address}:{layout.PATRONI_PORT}/patroni", timeout=_ANSWER_S)
            roles[host.name] = str(answer.json().get("role", "away"))
        except (RequestException, ValueError):
            roles[host.name] = "away"
    return roles


def wait_for_proxies(*, still_up: Callable[[], None] = _nothing) -> None:
    """Return when every HAProxy leads to an api that is ready. Raises Failure."""

    def all_lead_on() -> bool:
        still_up()
        return all(map(_is_ready, HOSTS))

    def _is_ready(host: layout.Host) -> bool:
        try:
            return requests.get(f"{proxy_url(host)}/health/ready", timeout=_ANSWER_S).status_code == 200
        except RequestException:
            return False

    try:
        wait_until(all_lead_on, START_S, "not every HAProxy leads to an api that is ready")
    except Failure as fault:
        raise Failure(f"{fault}; see .run/cluster/host-1/logs") from None
