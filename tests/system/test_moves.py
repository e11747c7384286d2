"""Securities that move to another shard while traders trade, also when the move is killed at each of its steps."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from threading import Event, Thread

from sqlalchemy import text

from bots.client import Client
from bots.contract import LimitOrder
from db.connect import Database
from tests.support.exchange import Exchange
from tests.system.traders import Ledger, open_accounts, trade

# Where the move of each security is killed before it is repeated.
KILLED_AT = ("", "moving.locked", "moving.committed")


def _on_shard(clearing_data: Database, shard: int) -> list[str]:
    with clearing_data.snapshot() as tx:
        query = text("SELECT security_id FROM securities WHERE shard = :shard ORDER BY security_id")
        return list(tx.execute(query, {"shard": shard}).scalars())


def _move(security_id: str, *, killed_at: str = "") -> int:
    command = [sys.executable, "-m", "tasks.moving", security_id, "1"]
    return subprocess.run(command, env={**os.environ, "FAIL_POINT": killed_at}, check=False).returncode


def test_nothing_is_lost_when_securities_move_under_load(exchange: Exchange, clearing_data: Database) -> None:
    keys = open_accounts(exchange.url, exchange.keys["admin"])
    ledger, until = Ledger(), Event()
    single = Client(exchange.url, exchange.keys["SINGLE"])
    moving = _on_shard(clearing_data, 0)
    resting = {
        security_id: single.place(LimitOrder(security_id=security_id, side="buy", quantity=2, price="80.00")).order_id
        for security_id in moving
    }
    trading = Thread(target=trade, args=(exchange.url, keys, ledger), kwargs={"seed": 5, "until": until})
    trading.start()
    try:
        exchange.wait_until(lambda: ledger.answers["accepted"] > 300, "traders trade")
        for security_id, point in zip(moving, KILLED_AT, strict=True):
            if point:
                assert _move(security_id, killed_at=point) == -signal.SIGKILL
            assert _move(security_id) == 0
        accepted = ledger.answers["accepted"]
        exchange.wait_until(lambda: ledger.answers["accepted"] > accepted + 300, "traders trade on the other shard")
    finally:
        until.set()
        trading.join()
    assert _on_shard(clearing_data, 0) == []
    # Orders from before the move are replaced and cancelled on the new shard.
    first, second, third = moving
    single.replace(first, resting[first], price="81.00")
    single.cancel(second, resting[second])
    exchange.wait_until(lambda: single.order(first, resting[first]).price == 81, "the replacement is settled")
    exchange.wait_until(lambda: single.order(second, resting[second]).status == "cancelled", "the cancel is settled")
    single.cancel_all()
    exchange.wait_until(lambda: single.order(third, resting[third]).status == "cancelled", "all are cancelled")
    audit = exchange.audit()
    assert audit.passed, audit
    assert exchange.dead_letters() == 0
