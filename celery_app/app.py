"""The Celery application, which workers, the api and Flower load."""

from __future__ import annotations

import os
import sys
from typing import Any

from celery import Celery, signals

from celery_app import fail_points, logs, transport
from celery_app.settings import settings
from celery_app.topology import (
    DEAD_LETTER_QUEUE,
    MATCHING,
    ORDER_ENTRY,
    STAGES,
    STOCK_EXCHANGE,
    matching_queue,
    stage_of_queue,
    task_queues,
)


def _configuration() -> dict[str, Any]:
    s = settings()
    return {
        "broker_url": s.broker_url.get_secret_value(),
        "broker_heartbeat": s.broker_heartbeat_s,
        "broker_connection_timeout": s.confirm_timeout_s,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_channel_error_retry": True,
        "broker_pool_acquire_timeout": s.confirm_timeout_s,
        "broker_transport_options": {"confirm_publish": True, "read_timeout": None},
        # Workers import the modules of the stages for their tasks, and Flower for their names.
        "include": [f"tasks.{stage}.task" for stage in STAGES],
        "task_queues": task_queues(),
        "task_create_missing_queues": False,
        "task_default_queue": ORDER_ENTRY,
        "task_default_exchange": STOCK_EXCHANGE.name,
        "task_default_exchange_type": "direct",
        "task_default_routing_key": ORDER_ENTRY,
        "task_routes": {stage: {"queue": stage if stage != "matching" else matching_queue(0)} for stage in STAGES},
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_ignore_result": True,
        "task_store_errors_even_if_ignored": False,
        "task_acks_late": True,
        "task_acks_on_failure_or_timeout": False,
        "task_reject_on_worker_lost": True,
        # One process for each worker, with its loop in the main thread: a stage handles its batches in that loop.
        "worker_pool": "solo",
        "worker_concurrency": 1,
        "worker_prefetch_multiplier": s.prefetch_messages,
        "worker_consumer": "celery_app.consumer:StageConsumer",
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_enable_remote_control": True,
        "worker_send_task_events": True,
        "task_send_sent_event": False,
        "beat_scheduler": "tasks.scheduler.bell:Bell",
        "beat_max_loop_interval": 1,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "enable_utc": True,
    }


@signals.setup_logging.connect
def _configure_logs(**_: object) -> None:
    logs.configure()


@signals.import_modules.connect
def _count_messages_in_flower(**_: object) -> None:
    """Make Flower count the messages of each batch, if this process is Flower; it has not created its state yet."""
    flower_events = sys.modules.get("flower.events")
    if flower_events is not None:
        from celery_app.flower_state import BatchesState  # a worker has no use for Flower

        flower_events.EventsState = BatchesState  # type: ignore[attr-defined]


@signals.celeryd_init.connect
def _prepare_worker(instance: Any, conf: Any, options: dict[str, Any], **_: object) -> None:
    """Check the queues of a worker, and name it after them, so that any number can run on one host.

    A worker that hangs delays the messages that it holds, and a matching worker delays its whole shard, so RabbitMQ
    gives up a matching worker sooner.
    """
    given = options.get("queues") or []
    queues = given.split(",") if isinstance(given, str) else list(given)
    known = [queue.name for queue in task_queues()]
    wrong = [queue for queue in queues if queue not in known]
    if wrong:
        raise SystemExit(f"there is no queue {wrong[0]}; -Q takes one or more of: {', '.join(known)}")
    if not queues:
        raise SystemExit(f"name the queues of this worker with -Q, one or more of: {', '.join(known)}")
    _require_one_process(options)
    fail_points.armed()  # a wrong setting stops the worker here
    if all(stage_of_queue(queue) == MATCHING for queue in queues):
        conf.broker_heartbeat = settings().matching_heartbeat_s
    name, _, host = instance.hostname.partition("@")
    if name == "celery":
        instance.hostname = f"{'+'.join(queues)}-{os.getpid()}@{host}"


def _require_one_process(options: dict[str, Any]) -> None:
    """Refuse a pool that a stage cannot use: its banner would announce processes that handle nothing."""
    pool = options.get("pool_cls") or options.get("pool")
    name = pool if isinstance(pool, str) else getattr(pool, "__module__", "solo")
    concurrency = options.get("concurrency")
    if name.rpartition(".")[2] != "solo" or concurrency not in (None, 0, 1) or options.get("autoscale"):
        raise SystemExit(
            "a worker handles its batches in one process: leave out -c, -P and --autoscale, and start another worker "
            "to scale (matching.N takes one worker and standbys)"
        )


@signals.import_modules.connect
def _show_every_queue_in_flower(**_: object) -> None:
    """Make Flower list every queue, if this process is Flower; by default it lists only queues that have a worker."""
    views = sys.modules.get("flower.views")
    if views is not None:
        names = [queue.name for queue in (*task_queues(), DEAD_LETTER_QUEUE)]
        views.BaseHandler.get_active_queue_names = lambda _handler: names


transport.register()
app = Celery("stock_exchange", events="celery_app.events:Events")
app.add_defaults(_configuration)
