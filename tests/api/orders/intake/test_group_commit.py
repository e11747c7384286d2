"""Items whose time is over before their group's: they are withdrawn, or their outcome is unknown."""

from __future__ import annotations

from collections.abc import Iterator

import gevent
import pytest
from gevent.event import Event

from api.orders.intake.group_commit import CutOff, GroupCommit, NotBegun
from api.request import time_limit


class Committed:
    """A commit that hangs until it is released, and the items it has committed."""

    def __init__(self) -> None:
        self.items: list[str] = []
        self.let_go = Event()
        self.group = GroupCommit(self._commit, abandon=lambda: True, most=100)

    def _commit(self, items: list[str]) -> None:
        self.let_go.wait()
        self.items += items

    def submit(self, item: str, *, within_s: float) -> gevent.Greenlet:
        """Submit an item in a request that has this much time left."""

        def request() -> str:
            time_limit.begin(within_s)
            try:
                self.group.submit(item, size=1)
            except (NotBegun, CutOff) as failure:
                return type(failure).__name__
            return "committed"

        started = gevent.spawn(request)
        gevent.sleep(0)
        return started


@pytest.fixture
def committed() -> Iterator[Committed]:
    committed = Committed()
    yield committed
    committed.let_go.set()


def test_an_item_that_waits_for_its_turn_is_withdrawn_in_time(committed: Committed) -> None:
    first = committed.submit("first", within_s=4.8)
    gevent.sleep(0.01)  # its commit is under way
    hasty = committed.submit("hasty", within_s=0.05)
    patient = committed.submit("patient", within_s=4.8)
    assert hasty.get(timeout=30) == "NotBegun"
    committed.let_go.set()
    assert (first.get(timeout=30), patient.get(timeout=30)) == ("committed", "committed")
    assert committed.items == ["first", "patient"]


def test_an_item_whose_commit_is_under_way_is_unknown(committed: Committed) -> None:
    hasty = committed.submit("hasty", within_s=0.05)
    assert hasty.get(timeout=30) == "CutOff"
    committed.let_go.set()
    gevent.sleep(0.01)
    assert committed.items == ["hasty"]


def test_a_group_without_items_is_not_committed(committed: Committed) -> None:
    first = committed.submit("first", within_s=4.8)
    gevent.sleep(0.01)
    assert committed.submit("hasty", within_s=0.05).get(timeout=30) == "NotBegun"
    committed.let_go.set()
    assert first.get(timeout=30) == "committed"
    later = committed.submit("later", within_s=4.8)
    assert later.get(timeout=30) == "committed"
    assert committed.items == ["first", "later"]
