"""The scheduler: Celery beat, which only rings. Order entry reads from the database what is due.

The scheduler stores nothing on disk, so a crash leaves no wrong state; and due work is done once, however often the
scheduler rings.
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any, Final

import structlog
from amqp.exceptions import AMQPError
from celery import Celery
from celery.beat import ScheduleEntry, Scheduler
from kombu.exceptions import KombuError

from celery_app import fail_points
from celery_app.publisher import NotSent, OutcomeUnknown, Publisher
from celery_app.settings import settings
from celery_app.topology import ORDER_ENTRY, SCHEDULER
from tasks.messages import EntryBatch, Tick
from tasks.scheduler.old_days import OldDays

log = structlog.get_logger()

# Interval between rings [s]. An order must expire within a second after its time, and reaching the log takes time, too.
RINGS_EVERY_S: Final = 0.5


class Bell(Scheduler):
    """A schedule of one entry, in memory."""

    producer = None  # our own publisher knows when RabbitMQ has a message

    def __init__(self, app: Celery, *arguments: Any, **keywords: Any) -> None:
        self._publisher = Publisher(app)
        self._name = f"{SCHEDULER}-{os.getpid()}@{socket.gethostname()}"
        self._events: Any = None
        self._rung = 0
        OldDays(settings().market_data_url.get_secret_value(), days=settings().keep_days).start()
        super().__init__(app, *arguments, **keywords)

    def setup_schedule(self) -> None:
        """Set up nothing: Celery's own entries are about results, which the exchange does not use."""
        self.update_from_dict({"tick": {"task": ORDER_ENTRY, "schedule": RINGS_EVERY_S}})

    def apply_entry(self, entry: ScheduleEntry, producer: None = None) -> None:  # noqa: ARG002 - Celery's own signature
        """Ring once. A ring that RabbitMQ does not take is lost; the next one covers everything that is due by then."""
        fail_points.reach("scheduler.ringing")
        try:
            self._publisher.send(ORDER_ENTRY, EntryBatch([Tick()]), size=1)
        except (NotSent, OutcomeUnknown) as fault:
            log.warning("tick_not_sent", fault=str(fault)[:200])
            return
        fail_points.reach("scheduler.rung")
        self._rung += 1
        self._touch()
        self._notify_flower()

    def _touch(self) -> None:
        """Touch the file that shows that the process is working."""
        file = Path(settings().run_directory) / "alive" / self._name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{time.time():.0f}\n")

    def _notify_flower(self) -> None:
        """Send a heartbeat so that Flower lists the scheduler next to the workers; no other process depends on it."""
        try:
            if self._events is None:
                connection = self.app.connection_for_write(heartbeat=0)
                self._events = self.app.events.Dispatcher(connection, hostname=self._name)
                self._events.send("worker-online", freq=RINGS_EVERY_S)
            self._events.send("worker-heartbeat", freq=RINGS_EVERY_S, active=0, processed=self._rung)
        except (AMQPError, KombuError, OSError) as fault:
            log.warning("flower_not_notified", fault=str(fault)[:200])
            self._events = None

    @property
    def info(self) -> str:
        """A line for the banner."""
        return f"    . rings every {RINGS_EVERY_S} s"
