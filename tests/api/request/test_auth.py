"""Looking keys up: requests that wait for the same answer are all released."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import gevent
import pytest
from gevent.event import Event
from sqlalchemy import Connection

from api.request.auth import Keys
from api.wire.problems import Problem
from celery_app.settings import settings
from db.connect import Database


class BrokenDatabase(Database):
    """A database that raises an exception no handler expects."""

    def __init__(self, fault: BaseException) -> None:
        super().__init__(settings().clearing_data_url.get_secret_value())
        self._fault = fault
        self.asked = Event()
        self.go_on = Event()

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Wait, then fail."""
        self.asked.set()
        self.go_on.wait()
        raise self._fault
        yield


@pytest.mark.parametrize(
    ("fault", "raised"),
    [(RuntimeError("a mistake of ours"), RuntimeError), (gevent.GreenletExit(), Problem), (KeyError("x"), KeyError)],
)
def test_requests_that_wait_for_a_failed_look_up_are_released(fault: BaseException, raised: type[Exception]) -> None:
    database = BrokenDatabase(fault)
    keys = Keys(database, remember_s=1.0)
    environ = {"HTTP_X_API_KEY": "sx_1"}
    first = gevent.spawn(keys.identify, dict(environ))
    assert database.asked.wait(5)
    others = [gevent.spawn(keys.identify, dict(environ)) for _ in range(3)]
    gevent.sleep(0)
    database.go_on.set()
    done = gevent.joinall([first, *others], timeout=30)
    assert len(done) == 4
    assert [type(one.exception) for one in others] == [raised] * 3
    assert hashlib.sha256(b"sx_1").digest() not in keys._asked
