"""Drops the market data of old days once an hour, next to the bell, which must not wait for it."""

from __future__ import annotations

from threading import Event, Thread

import structlog
from sqlalchemy.exc import DBAPIError

from celery_app.clock import now_us
from db.connect import Database
from db.market_data import partitions
from db.market_data.partitions import InUse

log = structlog.get_logger()

# Pause between two looks, and after a failed one [s].
EVERY_S = 3_600.0
AGAIN_S = 60.0
# How long a table may be in use before the remaining work is left for the next look [s].
PATIENCE_S = 10.0


class OldDays(Thread):
    """Keeps this many whole days before today, in UTC; 0 keeps all days."""

    def __init__(self, url: str, *, days: int) -> None:
        super().__init__(name="old_days", daemon=True)
        self._database = Database(url, application_name="scheduler")
        self._days = days
        self._done = Event()

    def run(self) -> None:
        """Drop old days again and again until stopped."""
        while self._days and not self._done.is_set():
            self._done.wait(EVERY_S if self.drop(now_us=now_us()) else AGAIN_S)

    def stop(self) -> None:
        """Stop after the current work."""
        self._done.set()

    def drop(self, *, now_us: int) -> bool:
        """Drop the days that are old by now; return False if a table was in use or Postgres was down."""
        try:
            with self._database.snapshot() as tx:
                old = partitions.old(tx, before_us=partitions.start_of_day_us(now_us, days=self._days))
            for part in old:
                rows = partitions.drop(self._database, part, now_us=now_us, patience_s=PATIENCE_S)
                log.info("old_day_dropped", table=part.table.name, before_day=part.before_day, rows=rows)
        except (DBAPIError, InUse) as fault:
            log.warning("old_days_kept", fault=str(fault).strip()[:200])
            return False
        return True
