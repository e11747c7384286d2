"""Moving a security: one transaction, which order entry notices and the audit checks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest
from sqlalchemy import text

from db.clearing_data.listing import moves
from db.clearing_data.listing.moves import SecurityMove
from db.clearing_data.log.order_log import read_commands
from db.connect import Database
from tasks.audit.audit import _check_replays
from tasks.matching.rules.engine import Engine
from tasks.messages import AdoptSecurity, MassCancel, PlaceOrder, ReleaseSecurity, Request
from tasks.moving.move import MoveRefused, move
from tasks.order_entry.admit import Admission, admit
from tests.support.entry import LIMITS, cancel, mass_cancel, order

POINTS = ("moving.replayed", "moving.locked", "moving.sequenced", "moving.committed")


def enter(clearing_data: Database, *requests: Request) -> Admission:
    return admit(clearing_data, requests, limits=LIMITS, now_us=1_000)


def _engine(clearing_data: Database, shard: int) -> Engine:
    engine = Engine(shard)
    with clearing_data.transaction() as tx:
        for seq, command in read_commands(tx, shard, after_seq=0, limit=10_000):
            engine.apply(seq, command)
    return engine


def _shard(clearing_data: Database, security_id: str = "MSFT") -> int | None:
    with clearing_data.transaction() as tx:
        return moves.shard_of(tx, security_id)


def _orders(engine: Engine, security_id: str = "MSFT") -> list[int]:
    return [one.order_id for one in engine.book_state(security_id).bids]


def test_the_book_follows_from_the_other_log(clearing_data: Database) -> None:
    assert _shard(clearing_data) == 0
    enter(clearing_data, order(100_001), order(100_002, price_cents=900))
    moved = move(clearing_data, "MSFT", 1, now_us=5)
    assert moved is not None
    assert moved.orders == 2
    assert _shard(clearing_data) == 1
    (batch,) = enter(clearing_data, order(100_003), cancel(100_004, order_id=100_001)).commands
    assert batch.shard == 1
    old, new = _engine(clearing_data, 0), _engine(clearing_data, 1)
    assert _orders(new) == [100_003, 100_002]
    assert "MSFT" not in {book.security_id for book in old.state().books}
    with clearing_data.transaction() as tx:
        assert type(read_commands(tx, 0, after_seq=0, limit=100)[-1][1]) is ReleaseSecurity
        commands = [command for _, command in read_commands(tx, 1, after_seq=0, limit=100)]
    assert next(type(one) for one in commands if getattr(one, "security_id", "") == "MSFT") is AdoptSecurity
    assert move(clearing_data, "MSFT", 1, now_us=6) is None


def test_a_mass_cancel_finds_orders_that_have_moved(clearing_data: Database) -> None:
    enter(clearing_data, order(100_001))
    move(clearing_data, "MSFT", 1, now_us=5)
    # The api sends one for each shard, or one for the shard on which it last saw the security.
    admission = enter(clearing_data, mass_cancel(100_011, shard=0, security_id="MSFT"))
    ((command,),) = [batch.commands for batch in admission.commands]
    assert command == MassCancel(100_011, "SINGLE", [100_001], 1_000)
    assert admission.commands[0].shard == 1
    # An order that the api took before it, and that arrives after it, is denied on the new shard as well.
    late = enter(clearing_data, order(100_010, received_us=2))
    assert [report.status for report in late.reports] == ["denied"]


@pytest.mark.parametrize(
    ("security_id", "shard", "why"),
    [
        ("NONE", 1, "no security has ever been called NONE"),
        ("MSFT", 5, "there is no shard 5"),
        ("AAPL", 0, "moves to a higher one only"),
    ],
)
def test_refused_moves_change_nothing(clearing_data: Database, security_id: str, shard: int, why: str) -> None:
    with clearing_data.transaction() as tx:
        before = tx.execute(text("SELECT shard, last_seq, moves FROM shards ORDER BY shard")).all()
    with pytest.raises(MoveRefused, match=why):
        move(clearing_data, security_id, shard, now_us=5)
    with clearing_data.transaction() as tx:
        assert tx.execute(text("SELECT shard, last_seq, moves FROM shards ORDER BY shard")).all() == before


def test_an_order_that_is_decided_during_the_move_reaches_the_new_shard(clearing_data: Database) -> None:
    """Order entry reads the shard of the security before the move is committed, and its number after it."""
    enter(clearing_data, order(100_001))
    admitted = []
    deciding = threading.Thread(target=lambda: admitted.append(enter(clearing_data, order(100_002))))
    with clearing_data.transaction() as tx:
        moves.lock_shards(tx, 0, 1)
        deciding.start()
        _wait_for_a_waiting_transaction(clearing_data)
        moves.record(tx, SecurityMove("MSFT", 0, 1, 1, 1), now_us=5)
    deciding.join(30)
    (batch,) = admitted[0].commands
    assert batch.shard == 1
    assert [one.order_id for one in batch.commands if type(one) is PlaceOrder] == [100_002]


def _wait_for_a_waiting_transaction(clearing_data: Database) -> None:
    query = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%take_numbers%'")
    waiting = 0
    while not waiting:
        with clearing_data.transaction() as tx:
            waiting = tx.execute(query).scalar_one()


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_move_has_happened_or_not(clearing_data: Database, market_data: Database, point: str) -> None:
    enter(clearing_data, order(100_001), order(100_002))
    command = [sys.executable, "-m", "tasks.moving", "MSFT", "1"]
    killed = subprocess.run(command, env={**os.environ, "FAIL_POINT": point}, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert _shard(clearing_data) == (1 if point == "moving.committed" else 0)
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert "MSFT is on shard 1" in again.stdout
    enter(clearing_data, order(100_003))
    assert _orders(_engine(clearing_data, 1)) == [100_001, 100_002, 100_003]
    findings = [found for rule, found in _check_replays(clearing_data, market_data, 0.0) if rule in (6, 7)]
    assert [one.findings for one in findings if one.findings] == []
