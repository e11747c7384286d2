"""`make down`: stops everything, the bots first and the services last, and keeps the data."""

from __future__ import annotations

from deploy.local.failure import ending
from deploy.local.lock import alone
from deploy.local.places import EXCHANGE
from deploy.local.programs import BOT, SCHEDULER, SERVICE, WEB, WORKER
from deploy.local.steps import step
from deploy.local.supervisor import Supervisor

_NAMES = {
    SCHEDULER: "scheduler and referee",
    BOT: "bots",
    WEB: "api, streams and Flower",
    WORKER: "workers",
    SERVICE: "services",
}


def main() -> int:
    """Stop everything."""
    with alone(EXCHANGE):
        stop(Supervisor(EXCHANGE))
    return 0


def stop(supervisor: Supervisor) -> None:
    """Stop all programs in the reverse order of their start, and then the supervisor."""
    if not supervisor.runs():
        print("nothing is running: `make up` starts the exchange")
        return
    for rank, names in _NAMES.items():
        with step(f"stop {names}"):
            supervisor.stop(supervisor.names(rank))
    supervisor.shut_down()


if __name__ == "__main__":
    raise SystemExit(ending(main, left_by_interrupt=": some processes may still run; `make down` continues"))
