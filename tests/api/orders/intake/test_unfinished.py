"""Promises survive their process: the next one sends the orders, or gives the promises back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import requests
from kombu import Connection as BrokerConnection
from sqlalchemy import text

from api.orders.intake import unfinished
from api.orders.intake.promises import Promises
from api.orders.intake.uncertain import UncertainOrders
from api.orders.intake.unfinished import FOLDER, GivenUp, Unfinished
from api.wire.problems import Problem
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

# A process that is killed with orders in each state. Order 9 was uncertain, and then certainly not queued.
_KILLED = """
import os, sys
from pathlib import Path
from api.orders.intake.unfinished import GivenUp, Unfinished
from tasks.messages import OrderRequest

def order(n):
    return OrderRequest(n, "SINGLE", f"mine-{n}", "MSFT", "limit", "buy", 1, 100, "gtc", False, 1)

own = Unfinished(Path(sys.argv[1]))
with own.under_way([order(1), order(2)]):
    pass
own.note_uncertain([order(n) for n in (7, 8, 9)])
own.forget_uncertain([7])
promises = [GivenUp("SINGLE", f"mine-{n}", n) for n in (9, 10, 11)]
own.note_given_up(promises)
own.forget_given_up(promises[2:])
with own.under_way([order(3), order(4)]):
    os.kill(os.getpid(), 9)
"""


def _order(number: int) -> OrderRequest:
    return OrderRequest(number, "SINGLE", f"mine-{number}", "MSFT", "limit", "buy", 1, 100, "gtc", False, 1)


def _files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.glob("*.lmdb"))


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """Return the folder of a process that was killed."""
    assert subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path)], check=False).returncode == -9
    return tmp_path


def test_a_process_takes_over_what_one_that_was_killed_left(left: Path) -> None:
    heir = Unfinished(left)
    assert sorted(order.order_id for order in heir.orders) == [3, 4, 8]
    assert heir.orders[0] == _order(heir.orders[0].order_id)
    assert heir.given_up == [GivenUp("SINGLE", "mine-9", 9), GivenUp("SINGLE", "mine-10", 10)]
    assert len(_files(left)) == 1


def test_a_process_takes_over_nothing_from_one_that_runs(tmp_path: Path) -> None:
    first = Unfinished(tmp_path)
    with first.under_way([_order(1)]):
        second = Unfinished(tmp_path)
    assert second.orders == []
    assert len(_files(tmp_path)) == 2


def test_what_was_taken_over_is_taken_over_again(left: Path) -> None:
    code = "import os, sys; from pathlib import Path; from api.orders.intake.unfinished import Unfinished; "
    code += "heir = Unfinished(Path(sys.argv[1])); os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", code, str(left)], check=False).returncode == -9
    heir = Unfinished(left)
    assert sorted(order.order_id for order in heir.orders) == [3, 4, 8]
    assert [promise.order_id for promise in heir.given_up] == [9, 10]


def test_a_file_from_before_the_host_started_is_not_read(left: Path) -> None:
    (name,) = _files(left)
    (left / name).rename(left / f"another-boot-{name[-10:]}")
    assert Unfinished(left).orders == []
    assert len(_files(left)) == 1


def test_a_file_that_cannot_be_read_holds_nothing_up(left: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (name,) = _files(left)
    (left / name).write_bytes(b"not a database" * 1_000)
    assert Unfinished(left).orders == []
    assert "unfinished_promises_unreadable" in capsys.readouterr().out
    assert len(_files(left)) == 1


def test_orders_for_which_there_is_no_room_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unfinished, "SIZE", 65_536)
    own = Unfinished(tmp_path)
    own.note_uncertain(_order(number) for number in range(2_000))
    with pytest.raises(Problem) as refused, own.under_way([_order(number) for number in range(2_000)]):
        pass
    assert (refused.value.status, refused.value.code) == (503, "not_accepted")
    with own.under_way([_order(1)]):
        assert own.orders == []


@pytest.mark.usefixtures("keys")
def test_an_order_that_was_never_promised_is_not_sent(left: Path, clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        # Order 4 is promised; for the name of order 3, another process promised another order.
        orders.promise(tx, [("SINGLE", "mine-4", 4, b"4"), ("SINGLE", "mine-3", 33, b"33")])
    uncertain = UncertainOrders(clearing_data, Unfinished(left))
    assert uncertain.order(3) == _order(3)
    uncertain.take_over()
    sent: list[OrderRequest] = []
    uncertain.send_again(sent.extend)
    assert sent == [_order(4)]
    assert [uncertain.order(number) for number in (3, 4, 8)] == [None] * 3


@pytest.mark.usefixtures("keys")
def test_promises_to_give_back_are_given_back_by_the_next_process(left: Path, clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        orders.promise(tx, [("SINGLE", f"mine-{number}", number, b"") for number in (9, 10, 11)])
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
