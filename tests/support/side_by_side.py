"""Several test processes at once: each has its own services on the servers of the run, and its own ports.

The servers take long to start, so there is one of each; each test process has a virtual host of RabbitMQ,
two databases and a database number of Redis for itself.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import cycle
from pathlib import Path
from urllib.parse import SplitResult, quote, urlsplit

import requests

from deploy.local.ports import reserve

# Below the ports that `make up` chooses from, and those that Linux takes for outgoing connections.
_LOWEST_PORT, _PORTS_EACH = 10_000, 600
# As many as Redis has database numbers; the first one belongs to the run.
MOST_PROCESSES = 15


def services_of_their_own(processes: Sequence[str], environment: Mapping[str, str]) -> list[dict[str, str]]:
    """Return for each process settings of services that no other process uses.

    This creates the virtual hosts; migrating creates the databases.
    processes    names, at most MOST_PROCESSES
    environment  settings of the run, and FLOWER_BROKER_API, the address of RabbitMQ's management
    """
    assert len(processes) <= MOST_PROCESSES, f"tests run in {MOST_PROCESSES} processes at most"
    management = environment.get("FLOWER_BROKER_API")
    assert management, "to run tests side by side, set FLOWER_BROKER_API to the address of RabbitMQ's management"
    for name in processes:
        _make_virtual_host(management, name)
    return [
        {
            "BROKER_URL": _with_path(environment["BROKER_URL"], name),
            "REDIS_URL": _with_path(environment["REDIS_URL"], str(number)),
            "CLEARING_DATA_URL": _with_path(environment["CLEARING_DATA_URL"], f"clearing_data_{name}"),
            "MARKET_DATA_URL": _with_path(environment["MARKET_DATA_URL"], f"market_data_{name}"),
            "RUN_DIRECTORY": str(_folder(Path(environment["RUN_DIRECTORY"]) / name)),
        }
        for number, name in enumerate(processes, 1)
    ]


def free_port() -> int:
    """Return a free port that no other process gets, and that this process did not get recently."""
    return next(port for port in _ports() if reserve(port))


@cache
def _ports() -> Iterator[int]:
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % MOST_PROCESSES
    ports = range(_LOWEST_PORT + number * _PORTS_EACH, _LOWEST_PORT + (number + 1) * _PORTS_EACH)
    return cycle(random.sample(ports, len(ports)))


def _make_virtual_host(management: str, name: str) -> None:
    address = urlsplit(management)
    url = f"{_without_login(address).geturl().rstrip('/')}"
    login = (address.username or "", address.password or "")
    for path, body in (
        (f"vhosts/{name}", {}),
        (f"permissions/{name}/{quote(login[0])}", {"configure": ".*", "write": ".*", "read": ".*"}),
    ):
        requests.put(f"{url}/{path}", json=body, auth=login, timeout=30).raise_for_status()


def _without_login(address: SplitResult) -> SplitResult:
    return address._replace(netloc=address.netloc.rpartition("@")[2])


def _with_path(url: str, path: str) -> str:
    return urlsplit(url)._replace(path=f"/{path}").geturl()


def _folder(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
