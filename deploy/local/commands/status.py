"""`make status`: shows processes, queue depths, and the size and growth of the stores."""

from __future__ import annotations

import re
import shutil
import time
from collections import Counter

from kombu import Connection

from celery_app.settings import Settings, settings
from celery_app.topology import DEAD_LETTER_QUEUE, MATCHING, stage_of_queue, task_queues
from deploy.local import growth
from deploy.local.failure import Failure, ending
from deploy.local.places import EXCHANGE, Instance
from deploy.local.supervisor import State, Supervisor

# A worker touches its liveness file every second; a worker with an older file than this is dead [s].
_ALIVE_S = 5.0

_EXITED = re.compile(r" exited: (\S+) \(")


def main() -> int:
    """Print the three tables; exit status 1 if a process does not run."""
    supervisor = Supervisor(EXCHANGE)
    if not supervisor.runs():
        raise Failure("the exchange is not running: start it with `make up`")
    states = supervisor.states()
    restarts = _restarts(EXCHANGE)
    _table(("process", "state", "for", "restarts"), [_process_row(state, restarts) for state in states])
    _table(("queue", "messages", "workers"), _queue_rows(settings()))
    _table(("store", "holds", "grows in an hour"), _store_rows(settings()))
    return 0 if all(state.state == "RUNNING" for state in states) else 1


def _process_row(state: State, restarts: Counter[str]) -> tuple[str, ...]:
    how = state.state.lower() if state.state != "EXITED" else f"ended with {state.exit_status}"
    return state.name, how, _duration(state.up_s), str(restarts[state.name])


def _restarts(instance: Instance) -> Counter[str]:
    """Count from the supervisor's log how often each process has ended by itself since the supervisor started."""
    log = (instance.logs / "supervisor.log").read_text(errors="replace")
    return Counter(_EXITED.findall(log.rpartition("supervisord started")[2]))


def _queue_rows(s: Settings) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    try:
        with (
            Connection(s.broker_url.get_secret_value(), connect_timeout=3) as connection,
            connection.channel() as channel,
        ):
            for queue in (*task_queues(), DEAD_LETTER_QUEUE):
                found = channel.queue_declare(queue.name, passive=True)
                rows.append((queue.name, f"{found.message_count:,}", _workers(s, queue.name, found.consumer_count)))
    except (*Connection("amqp://").connection_errors, *Connection("amqp://").channel_errors) as fault:
        rows.append((f"RabbitMQ does not answer; see `make logs`: {fault}", "", ""))
    return rows


def _workers(s: Settings, queue: str, consumers: int) -> str:
    """Report the workers of a queue, and the standbys of a matching queue, which RabbitMQ does not know."""
    young = time.time() - _ALIVE_S
    alive = sum(file.stat().st_mtime > young for file in (s.run_directory / "alive").glob(f"{queue}-*@*"))
    standbys = alive - consumers if stage_of_queue(queue) == MATCHING else 0
    return f"{consumers} + {standbys} standing by" if standbys > 0 else str(consumers)


def _store_rows(s: Settings) -> list[tuple[str, ...]]:
    held = growth.take_sample(EXCHANGE, s)
    grows = growth.per_hour(EXCHANGE, held)
    rows: list[tuple[str, ...]] = [(name, _megabytes(size), _growth(name, grows)) for name, size in held.items()]
    a_trade = growth.bytes_a_trade(s)
    if a_trade is not None:
        rows.append(("each settled trade, in ledger and executions", f"{a_trade:,.0f} bytes", ""))
    total = sum(grows.values())
    free = shutil.disk_usage(EXCHANGE.directory).free
    rows.append(("together", _megabytes(sum(held.values())), _megabytes(total) if grows else "known in a minute"))
    rows.append(
        ("free on the disk", _megabytes(free), f"enough for {free / total / 24:,.0f} days" if total > 0 else "")
    )
    return rows


def _growth(store: str, grows: dict[str, float]) -> str:
    if store in growth.BOUNDED:
        return "is bounded"
    return _megabytes(grows[store]) if store in grows else ""


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Print a table; its first column is left-aligned and the others right-aligned."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        first, *others = (
            text.ljust(width) if n == 0 else text.rjust(width)
            for n, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        print("   ".join((first, *others)).rstrip())
    print()


def _duration(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02} min"


def _megabytes(size: float) -> str:
    return f"{size / 1_000_000:,.1f} MB"


if __name__ == "__main__":
    raise SystemExit(ending(main))
