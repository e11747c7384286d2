"""Promises survive their process: the next one sends the orders, or gives the promises back."""

from __future__ import annotations

import errno
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import lmdb
import pytest
import requests
from kombu import Connection as BrokerConnection
from msgspec.structs import replace
from sqlalchemy import text

from api.orders.intake import unfinished
from api.orders.intake.promises import OrderPromise, Promises
from api.orders.intake.uncertain import UncertainOrders
from api.orders.intake.unfinished import FOLDER, GivenUp, Unfinished, UnusableFolder
from api.wire.problems import Problem
from celery_app.settings import settings
from celery_app.topology import ORDER_ENTRY
from db.clearing_data.log import orders
from db.connect import Database
from tasks.audit.clearing.promises import read_broken
from tasks.messages import OrderRequest
from tests.api.conftest import Keys, limit
from tests.support.broker import depth
from tests.support.streams import wait_until
from tests.support.web import Api, running_api
from tests.support.worker import Worker

_BEGIN = """
import os, sys
from contextlib import suppress
from pathlib import Path
from gevent import GreenletExit
from api.orders.intake.unfinished import GivenUp, Unfinished
from api.wire.problems import Problem
from tasks.messages import OrderRequest

def order(n):
    return OrderRequest(n, "SINGLE", f"mine-{n}", "MSFT", "limit", "buy", 1, 100, "gtc", False, 1)

own = Unfinished(Path(sys.argv[1]))
"""

# A process that is killed with orders in each state: 3 and 4 are under way, and the promise of 4 must be given back.
_KILLED = """
own.begin([[order(1), order(2)], [order(5)], [order(6)]])
for done in ([order(1), order(2)], [order(5)]):
    with own.under_way(done):
        pass
own.forget_done()
with own.under_way([order(6)]):
    pass
own.note_uncertain([order(n) for n in (7, 8, 9)])
own.forget_uncertain([7])
promises = [GivenUp("SINGLE", f"mine-{n}", n) for n in (9, 10, 11)]
own.note_given_up(promises)
own.forget_given_up(promises[2:])
own.begin([[order(3), order(4)]])
with own.under_way([order(3), order(4)]):
    own.note_given_up([GivenUp("SINGLE", "mine-4", 4)])
    os.kill(os.getpid(), 9)
"""


_CUT_OFF = """
own.begin([[order(1)], [order(2)]])
with suppress(GreenletExit), own.under_way([order(1)]):
    raise GreenletExit
with suppress(Problem), own.under_way([order(2)]):
    raise Problem(503, "not_accepted", "nothing was queued")
"""


def _run(code: str, folder: Path) -> int:
    """Run a process with a file in a folder; return its exit status."""
    return subprocess.run([sys.executable, "-c", _BEGIN + code, str(folder)], check=False).returncode


def _order(number: int) -> OrderRequest:
    return OrderRequest(number, "SINGLE", f"mine-{number}", "MSFT", "limit", "buy", 1, 100, "gtc", False, 1)


def _files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.glob("*.lmdb"))


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """Return the folder of a process that was killed."""
    assert _run(_KILLED, tmp_path) == -9
    return tmp_path


def test_a_process_takes_over_what_one_that_was_killed_left(left: Path) -> None:
    heir = Unfinished(left)
    # A copy of order 9 is uncertain, so its promise will stay.
    assert heir.orders == [_order(3), _order(8), _order(9)]
    assert heir.given_up == [GivenUp("SINGLE", f"mine-{number}", number) for number in (4, 9, 10)]
    assert len(_files(left)) == 1


def test_a_process_takes_over_nothing_from_one_that_runs(tmp_path: Path) -> None:
    first = Unfinished(tmp_path)
    first.begin([[_order(1)]])
    second = Unfinished(tmp_path)
    assert second.orders == []
    assert len(_files(tmp_path)) == 2


def test_what_was_taken_over_is_taken_over_again(left: Path) -> None:
    assert _run("os.kill(os.getpid(), 9)", left) == -9
    heir = Unfinished(left)
    assert [order.order_id for order in heir.orders] == [3, 8, 9]
    assert [promise.order_id for promise in heir.given_up] == [4, 9, 10]


def test_a_file_from_before_the_host_started_is_not_read(left: Path) -> None:
    (name,) = _files(left)
    (left / name).rename(left / f"another-boot-{name[-10:]}")
    assert Unfinished(left).orders == []
    assert len(_files(left)) == 1


def _set_aside(folder: Path) -> int:
    return len(list(folder.glob("damaged-*")))


def test_a_file_that_cannot_be_read_is_set_aside(left: Path) -> None:
    (name,) = _files(left)
    (left / name).write_bytes(b"not a database" * 1_000)
    assert Unfinished(left).orders == []
    assert (len(_files(left)), _set_aside(left)) == (1, 1)


def test_a_file_at_which_processes_end_is_set_aside(left: Path) -> None:
    """LMDB aborts the process when it reads some damaged files."""
    (name,) = _files(left)
    (left / name).rename(left / f"{name}.again.again.again")
    assert Unfinished(left).orders == []
    assert (len(_files(left)), _set_aside(left)) == (1, 1)


def test_a_record_that_cannot_be_read_costs_no_other(left: Path) -> None:
    (name,) = _files(left)
    with lmdb.open(str(left / name), subdir=False, lock=False) as database, database.begin(write=True) as tx:
        tx.put(b"2" + (8).to_bytes(8), b'[["order","from another version"]]')
    heir = Unfinished(left)
    assert [order.order_id for order in heir.orders] == [3, 9]
    assert [promise.order_id for promise in heir.given_up] == [4, 9, 10]
    assert _set_aside(left) == 1


def test_orders_for_which_there_is_no_room_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unfinished, "SIZE", 65_536)
    own = Unfinished(tmp_path)
    for number in range(2_000):
        own.note_uncertain([_order(number)])
    with pytest.raises(Problem) as refused:
        own.begin([[_order(number) for number in range(2_000)]])
    assert (refused.value.status, refused.value.code) == (503, "not_accepted")
    own.forget_uncertain(range(2_000))  # which finds no room for a deletion, and holds nothing up


def test_a_file_that_cannot_be_created_leaves_nothing_behind(left: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(unfinished.os, "posix_fallocate", full)
        for _ in range(2):
            with pytest.raises(UnusableFolder, match="No space left on device"):
                Unfinished(left)
        assert len(_files(left)) <= 1
    assert [order.order_id for order in Unfinished(left).orders] == [3, 8, 9]


def test_what_is_cut_off_stays_for_the_next_process(tmp_path: Path) -> None:
    """As when a request is cut off at the end of its process, or something unexpected happens to it."""
    assert _run(_CUT_OFF, tmp_path) == 0
    assert Unfinished(tmp_path).orders == [_order(1)]


def _heir(left: Path, clearing_data: Database) -> UncertainOrders:
    uncertain = UncertainOrders(clearing_data, Unfinished(left))
    assert uncertain.order(3) == _order(3)
    return uncertain


def _sent_by(uncertain: UncertainOrders) -> list[OrderRequest]:
    sent: list[OrderRequest] = []
    uncertain.take_over()
    uncertain.send_again(sent.extend)
    assert [uncertain.order(number) for number in (3, 8, 9)] == [None] * 3
    return sent


@pytest.mark.usefixtures("keys")
def test_only_promised_orders_are_sent(left: Path, clearing_data: Database) -> None:
    other_terms = OrderPromise(replace(_order(3), quantity=2)).digest
    with clearing_data.transaction() as tx:
        orders.promise(tx, [("SINGLE", "mine-8", 8, _digest(8)), ("SINGLE", "mine-3", 3, other_terms)])
    assert _sent_by(_heir(left, clearing_data)) == [_order(8)]
    with clearing_data.snapshot() as tx:  # and nothing became a promise
        assert tx.execute(text("SELECT order_id FROM client_order_ids ORDER BY 1")).scalars().all() == [3, 8]


@pytest.mark.usefixtures("keys")
def test_a_copy_stands_for_the_first_order_whose_promise_then_stays(left: Path, clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        orders.promise(tx, [("SINGLE", "mine-3", 33, _digest(3))])
    assert _sent_by(_heir(left, clearing_data)) == [replace(_order(3), order_id=33)]
    with clearing_data.transaction() as tx:
        orders.withdraw(tx, [("SINGLE", "mine-3", 33)])
        assert orders.promised(tx, "SINGLE", "mine-3") is not None


@pytest.mark.usefixtures("keys")
def test_a_promise_that_is_being_committed_is_kept(left: Path, clearing_data: Database) -> None:
    uncertain = _heir(left, clearing_data)
    other = Database(settings().clearing_data_url.get_secret_value())
    with ThreadPoolExecutor() as crowd:
        with other.transaction() as tx:
            orders.promise(tx, [("SINGLE", "mine-3", 3, _digest(3))])
            sent = crowd.submit(_sent_by, uncertain)
            wait_until(lambda: bool(tx.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one()))
        assert sent.result() == [_order(3)]
    other.engine.dispose()


def _digest(number: int) -> bytes:
    return OrderPromise(_order(number)).digest


@pytest.mark.usefixtures("keys")
def test_promises_to_give_back_are_given_back_by_the_next_process(left: Path, clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        orders.promise(tx, [("SINGLE", f"mine-{number}", number, b"x") for number in (4, 10, 11)])
    Promises(clearing_data, Unfinished(left)).withdraw_given_up()
    with clearing_data.snapshot() as tx:
        assert tx.execute(text("SELECT order_id FROM client_order_ids")).scalars().all() == [11]


def test_an_api_that_is_killed_between_promise_and_queue(
    api: Api, keys: Keys, queues: BrokerConnection, clearing_data: Database, tmp_path: Path
) -> None:
    """Its client never asks again; the next process places the orders nevertheless, and each once."""
    folder = {"RUN_DIRECTORY": str(tmp_path)}
    names = [f"mine-{number}" for number in range(3)]
    body = [*(limit(client_order_id=name) for name in names), limit()]
    with running_api(folder | {"FAIL_POINT": "api.promised"}) as killed, pytest.raises(requests.ConnectionError):
        killed.ask("POST", "/orders", key=keys.single, json=body)
    assert depth(queues, ORDER_ENTRY) == 0
    with running_api(folder) as heir:
        answers = [heir.ask("GET", f"/orders/by-client-id/{name}", key=keys.single) for name in names]
        assert [(answer.status_code, answer.json()["status"]) for answer in answers] == [(200, "pending")] * 3
        with Worker("order_entry"):
            wait_until(lambda: [_status(heir, keys, name) for name in names] == ["new"] * 3)
    with clearing_data.snapshot() as tx:
        placed = tx.execute(text("SELECT client_order_id FROM orders ORDER BY order_id")).scalars().all()
        assert placed == names
        assert read_broken(tx) == (3, [])
    assert _files(tmp_path / FOLDER) != []
    assert Unfinished(tmp_path / FOLDER).orders == []


def _status(api: Api, keys: Keys, name: str) -> str:
    return str(api.ask("GET", f"/orders/by-client-id/{name}", key=keys.single).json()["status"])
