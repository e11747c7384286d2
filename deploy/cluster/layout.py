"""The hosts of the cluster, and which process runs on which: the one list, for namespaces, containers and machines.

A process that may run twice runs on two hosts, a matching worker and its standby never on the same one. Each host has a
node of RabbitMQ, a server of Postgres under Patroni, a member of etcd and an HAProxy.
"""

from __future__ import annotations

from dataclasses import dataclass

NETWORK = "10.77.0.0/24"
GATEWAY = "10.77.0.1"

# The engines of each host.
ENGINES = ("etcd", "patroni", "rabbitmq", "haproxy")


@dataclass(frozen=True, slots=True)
class Host:
    """A host: its name, which the others can resolve, its address, and the names of its processes.

    The n-th process of a kind has the name `kind-n`, as in `make up`.
    """

    name: str
    address: str
    processes: tuple[str, ...]
    redis: bool = False

    @property
    def engines(self) -> tuple[str, ...]:
        """The names of its engines."""
        return (*ENGINES, "redis") if self.redis else ENGINES


HOSTS = (
    Host(
        "host-1",
        "10.77.0.11",
        ("streams", "api", "order_entry", "matching.0", "matching.1-2", "order_execution", "data_feed", "catch_up"),
    ),
    Host(
        "host-2",
        "10.77.0.12",
        ("streams-2", "api-2", "order_entry-2", "matching.1", "matching.0-2", "data_feed-2", "scheduler"),
    ),
    Host("host-3", "10.77.0.13", ("order_execution-2", "catch_up", "scheduler", "referee"), redis=True),
)

# The variables of `make up` that lead to these processes.
COUNTS = {
    "API_WORKERS": "2",
    "STREAMS": "2",
    "ORDER_ENTRY_WORKERS": "2",
    "MATCHING_STANDBYS": "1",
    "ORDER_EXECUTION_WORKERS": "2",
    "DATA_FEED_WORKERS": "2",
    "BOTS": "none",
}

API_PORT, PROXY_PORT = 8000, 8080
BROKER_PORT, MANAGEMENT_PORT, POSTGRES_PORT, REDIS_PORT = 5672, 15672, 5432, 6379
ETCD_PORT, ETCD_PEER_PORT, PATRONI_PORT = 2379, 2380, 8008


def host_of(name: str) -> Host:
    """Return the host with this name. Raises ValueError."""
    (host,) = (host for host in HOSTS if host.name == name)
    return host


def apis() -> list[Host]:
    """Return the hosts with an api."""
    return [host for host in HOSTS if any(name.partition("-")[0] == "api" for name in host.processes)]


def redis_host() -> Host:
    """Return the host with Redis, which the exchange can do without."""
    return next(host for host in HOSTS if host.redis)


def broker_urls(user: str, password: str) -> str:
    """Return the address of the broker: all nodes, in an order of which the client tries one after the other."""
    return ";".join(f"amqp://{user}:{password}@{host.address}:{BROKER_PORT}//" for host in HOSTS)


def database_url(user: str, password: str, database: str) -> str:
    """Return the address of a database: all servers, of which the client takes the one that accepts writes."""
    servers = "&".join(f"host={host.address}:{POSTGRES_PORT}" for host in HOSTS)
    return f"postgresql+psycopg2://{user}:{password}@/{database}?{servers}&target_session_attrs=read-write"
