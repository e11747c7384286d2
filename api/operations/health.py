"""Routes of health: whether the api lives, and whether everything that an order needs is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import gevent
import structlog
from amqp.exceptions import AMQPError
from flask import Blueprint, Response
from kombu.exceptions import KombuError
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from api.http.handoff import is_taken, streams_socket
from api.operations.figures import QueueWatch
from api.request.shared import SharedValue
from api.wire.answers import answer, problem_answer
from api.wire.answers_schema import operations as answers_schema
from api.wire.declaration import declared
from api.wire.problems import Problem
from celery_app.topology import task_queues
from db.connect import Database

log = structlog.get_logger()

# How long all looks together may take, and how long what they found is given out [s].
LOOK_S = 3.0
REMEMBER_S = 0.5

# Takes a look at a dependency, and returns what is to be said of it and of what belongs to it.
Look = Callable[[], dict[str, str]]

OK = "ok"


def routes(
    *, clearing_data: Database, market_data: Database, redis_url: str, run_directory: Path, queues: QueueWatch
) -> Blueprint:
    """The routes, on these services."""
    blueprint = Blueprint("health", __name__)
    redis = Redis.from_url(redis_url, socket_timeout=LOOK_S, socket_connect_timeout=LOOK_S)
    looks: dict[str, Look] = {
        "rabbitmq": lambda: _look_at_queues(queues),
        "clearing_data": lambda: _look_at(clearing_data),
        "market_data": lambda: _look_at(market_data),
        "redis": lambda: {} if redis.ping() else {"redis": "does not answer"},
        "streams": lambda: {} if is_taken(streams_socket(run_directory)) else {"streams": "away"},
    }

    readiness = SharedValue(lambda: dict.fromkeys(looks, OK) | _found(looks), remember_s=REMEMBER_S)

    @blueprint.get("/health/live")
    @declared("public", "Whether the api answers", gives={200: answers_schema.Live})
    def live() -> Response:
        return answer({"status": "live"})

    @blueprint.get("/health/ready")
    @declared("public", "Whether everything that an order needs is there", gives={200: answers_schema.Ready})
    def ready() -> Response:
        dependencies = readiness.get()
        away = [name for name, state in dependencies.items() if state != OK]
        if not away:
            return answer({"status": "ready", "dependencies": dependencies})
        problem = Problem(503, "not_ready", f"not ready: {', '.join(away)}", retry=True)
        return problem_answer(problem, problem.content() | {"dependencies": dependencies})

    return blueprint


def _found(looks: Mapping[str, Look]) -> dict[str, str]:
    """What the looks found, all taken at once; a look that does not end is given up."""
    under_way = {name: gevent.spawn(_taken, name, look) for name, look in looks.items()}
    gevent.joinall(list(under_way.values()), timeout=LOOK_S)
    found: dict[str, str] = {}
    for name, look in under_way.items():
        found |= look.value if look.ready() else {name: "does not answer"}
        look.kill(block=False)
    return found


def _taken(name: str, look: Look) -> dict[str, str]:
    try:
        return look()
    except (SQLAlchemyError, RedisError, AMQPError, KombuError, OSError) as fault:
        log.warning("dependency_away", dependency=name, fault=str(fault)[:200])
        return {name: "away"}


def _look_at(database: Database) -> dict[str, str]:
    with database.transaction() as tx:
        tx.execute(text("SELECT 1"))
    return {}


def _look_at_queues(queues: QueueWatch) -> dict[str, str]:
    """Whether each queue has a worker, by the queue's name."""
    states = {state.name: state for state in queues.states()}
    return {queue.name: OK if states[queue.name].consumers else "no worker" for queue in task_queues()}
