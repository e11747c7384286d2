"""Routes of health: whether the api is alive, and whether everything that an order needs is available."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import gevent
import structlog
from amqp.exceptions import AMQPError
from flask import Blueprint, Response
from kombu.exceptions import KombuError
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from api.http.stream_places import StreamPlaces
from api.operations.figures import QueueWatch
from api.request.shared import SharedValue
from api.wire.answers import answer, problem_answer
from api.wire.answers_schema import operations as answers_schema
from api.wire.declaration import declared
from api.wire.problems import Problem
from celery_app.topology import task_queues
from db.connect import Database

log = structlog.get_logger()

# Time for all checks together, and time before the api repeats them [s].
CHECK_S = 3.0
REMEMBER_S = 0.5

# Checks a dependency, and returns the states to report by name; a healthy dependency may be left out.
Check = Callable[[], dict[str, str]]

OK = "ok"


def routes(
    *, clearing_data: Database, market_data: Database, redis_url: str, streams: StreamPlaces, queues: QueueWatch
) -> Blueprint:
    """Return the routes."""
    blueprint = Blueprint("health", __name__)
    redis = Redis.from_url(redis_url, socket_timeout=CHECK_S, socket_connect_timeout=CHECK_S)
    checks: dict[str, Check] = {
        "rabbitmq": lambda: _check_queues(queues),
        "clearing_data": lambda: _check_database(clearing_data),
        "market_data": lambda: _check_database(market_data),
        "redis": lambda: {} if redis.ping() else {"redis": "does not answer"},
        "streams": lambda: {} if streams.any_accepts() else {"streams": "away"},
    }

    readiness = SharedValue(lambda: dict.fromkeys(checks, OK) | _results(checks), remember_s=REMEMBER_S)

    @blueprint.get("/health/live")
    @declared("public", "Whether the api is alive", gives={200: answers_schema.Live})
    def live() -> Response:
        return answer({"status": "live"})

    @blueprint.get("/health/ready")
    @declared("public", "Whether everything that an order needs is available", gives={200: answers_schema.Ready})
    def ready() -> Response:
        dependencies = readiness.get()
        away = [name for name, state in dependencies.items() if state != OK]
        if not away:
            return answer({"status": "ready", "dependencies": dependencies})
        problem = Problem(503, "not_ready", f"not ready: {', '.join(away)}", retry=True)
        return problem_answer(problem, problem.content() | {"dependencies": dependencies})

    return blueprint


def _results(checks: Mapping[str, Check]) -> dict[str, str]:
    """Run all checks at once, and return their results; a check that hangs is cut off."""
    running = {name: gevent.spawn(_result, name, check) for name, check in checks.items()}
    gevent.joinall(list(running.values()), timeout=CHECK_S)
    results: dict[str, str] = {}
    for name, check in running.items():
        results |= check.value if check.ready() else {name: "does not answer"}
        check.kill(block=False)
    return results


def _result(name: str, check: Check) -> dict[str, str]:
    try:
        return check()
    except (SQLAlchemyError, RedisError, AMQPError, KombuError, OSError) as fault:
        log.warning("dependency_away", dependency=name, fault=str(fault)[:200])
        return {name: "away"}


def _check_database(database: Database) -> dict[str, str]:
    with database.transaction() as tx:
        tx.execute(text("SELECT 1"))
    return {}


def _check_queues(queues: QueueWatch) -> dict[str, str]:
    """Return for each queue whether it has a worker."""
    states = {state.name: state for state in queues.states()}
    return {queue.name: OK if states[queue.name].consumers else "no worker" for queue in task_queues()}
