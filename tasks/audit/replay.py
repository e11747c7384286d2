"""Rule 6, and what it takes for rules 3, 7 and 8: the log replayed by the pure engine, held against what was stored.

A log, its executions and its trades never change once they are written, so they are read piece by piece, each in a
short transaction: one long one would keep Postgres from clearing up behind the accounts, which change all the time.
What is missing may still be on its way; it is looked for again before it is called missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeVar

import msgspec
from sqlalchemy import Connection, text

from db.clearing_data import executions as register
from db.clearing_data import snapshots
from db.clearing_data.order_log import read_commands
from db.connect import Database
from db.market_data import reads
from db.market_data.rows import Trade
from tasks.audit.patience import Patience
from tasks.audit.result import Checked
from tasks.matching.engine import Engine
from tasks.matching.state import decode
from tasks.messages import Command, Execution, OrderClosed, PlaceOrder, TradeMade, event_id

# Commands that are replayed at a time.
_PAGE = 10_000

_Event = TypeVar("_Event", bound=Execution)


class Replay:
    """One shard's log up to command `head`, replayed.

    engine     the engine after command `head`
    unsettled  executions that are not in the register; `unstored` are trades that the feed has not stored
    agreement  what was held against the executions and snapshots (rule 6)
    orders     what was held against the open orders of the book (rule 7)
    trades     what was held against the trades that the feed has stored (rule 8)
    """

    def __init__(self, shard: int, head: int) -> None:
        self.engine = Engine(shard)
        self.head = head
        self.unsettled: list[Execution] = []
        self.unstored: list[TradeMade] = []
        self.agreement = Checked()
        self.orders = Checked()
        self.trades = Checked()
        self._open: dict[int, int] = {}  # shares open of each order, by its events

    def run(self, clearing_data: Database, market_data: Database) -> None:
        """Replay the log, and compare."""
        hashes = self._read_hashes(clearing_data)
        self._check_hash(hashes)
        while self.engine.seq < self.head:
            with clearing_data.snapshot() as tx:
                first_seq = self.engine.seq + 1
                limit = min(_PAGE, self.head - self.engine.seq)
                commands = read_commands(tx, self.engine.shard, after_seq=self.engine.seq, limit=limit)
                if not commands or any(seq != expected for expected, (seq, _) in enumerate(commands, first_seq)):
                    self.agreement.find(f"the log of shard {self.engine.shard} has a gap after command {first_seq - 1}")
                    return
                executions = self._apply(commands, hashes)
                self._compare_executions(self._read_executions(tx, first_seq), executions)
            with market_data.snapshot() as tx:
                self._compare_trades(tx, [made for made in executions if isinstance(made, TradeMade)])
        self._compare_open_orders()

    # -- the engine ------------------------------------------------------------------------------------------------

    def _apply(self, commands: Iterable[tuple[int, Command]], hashes: Mapping[int, str]) -> list[Execution]:
        """Replay commands; returns the executions that they make."""
        executions: list[Execution] = []
        engine, still_open = self.engine, self._open
        for seq, command in commands:
            if type(command) is PlaceOrder:
                still_open[command.order_id] = command.quantity
            for event in engine.apply(seq, command):
                if type(event) is TradeMade:
                    executions.append(event)
                    self._take(event.buy_order_id, event.quantity)
                    self._take(event.sell_order_id, event.quantity)
                elif type(event) is OrderClosed:
                    executions.append(event)
                    self._take(event.order_id, event.quantity)
            if seq in hashes:
                self._check_hash(hashes)
        return executions

    def _take(self, order_id: int, quantity: int) -> None:
        rest = self._open.pop(order_id, 0) - quantity
        if rest:
            self._open[order_id] = rest

    def _compare_open_orders(self) -> None:
        resting = {
            order.order_id: order.quantity for book in self.engine.state().books for order in (*book.bids, *book.asks)
        }
        self.orders.checked += len(resting)
        for order_id in sorted(resting.keys() | self._open.keys()):
            book, events = resting.get(order_id, 0), self._open.get(order_id, 0)
            if book != events:
                self.orders.find(f"order {order_id} has {book} shares in the book; its events leave {events} open")

    # -- snapshots -------------------------------------------------------------------------------------------------

    def _read_hashes(self, clearing_data: Database) -> dict[int, str]:
        """The state hashes that the live engine has stored, by command."""
        hashes: dict[int, str] = {}
        with clearing_data.snapshot() as tx:
            for snapshot in snapshots.newest_first(tx, self.engine.shard, at_most=self.head):
                if not snapshot.is_intact:
                    self.agreement.find(f"the snapshot of shard {self.engine.shard} at {snapshot.seq} is damaged")
                elif _is_of_this_version(snapshot.body):
                    hashes[snapshot.seq] = snapshot.state_hash
        return hashes

    def _check_hash(self, hashes: Mapping[int, str]) -> None:
        expected = hashes.get(self.engine.seq)
        if expected is None:
            return
        self.agreement.checked += 1
        state_hash = self.engine.state_hash()
        if state_hash != expected:
            self.agreement.find(
                f"shard {self.engine.shard} had the state {expected} after command {self.engine.seq}; "
                f"the replay has {state_hash}"
            )

    # -- executions ------------------------------------------------------------------------------------------------

    def _read_executions(self, tx: Connection, first_seq: int) -> dict[int, Execution]:
        shard = self.engine.shard
        return register.between(tx, event_id(shard, first_seq, 0), event_id(shard, self.engine.seq + 1, 0))

    def _compare_executions(self, stored: dict[int, Execution], made: Sequence[Execution]) -> None:
        self.agreement.checked += len(made)
        for execution in made:
            found = stored.pop(execution.event_id, None)
            if found is None:
                self.unsettled.append(execution)
            elif found != execution:
                self._differ(found, execution)
        for unmade in stored:
            self.agreement.find(f"execution {unmade} was settled and does not come out of the log")

    def _differ(self, found: Execution, made: Execution) -> None:
        self.agreement.find(f"execution {made.event_id} was settled as {found}; the replay makes {made}")

    def await_settlement(self, clearing_data: Database, patience: Patience) -> Checked:
        """Look for the executions that were missing until they are there (rule 3)."""
        checked = Checked()
        while patience.wait(len(self.unsettled)):
            missing: list[Execution] = []
            for page in _pages(self.unsettled):
                with clearing_data.snapshot() as tx:
                    stored = register.known(tx, page)
                for execution in page:
                    found = stored.get(execution.event_id)
                    if found is None:
                        missing.append(execution)
                    elif found != execution:
                        self._differ(found, execution)
            self.unsettled = missing
        for execution in self.unsettled:
            checked.find(f"execution {execution.event_id} was made and is not settled: {execution}")
        return checked

    # -- trades ----------------------------------------------------------------------------------------------------

    def _compare_trades(self, tx: Connection, made: Sequence[TradeMade]) -> None:
        """Hold trades, in their order, against those that the feed has stored; what is missing is remembered."""
        by_security: dict[str, list[TradeMade]] = {}
        for trade in made:
            by_security.setdefault(trade.security_id, []).append(trade)
        for security_id, trades in by_security.items():
            before, limit = trades[-1].sequence + 1, trades[-1].sequence - trades[0].sequence + 1
            stored = {one.sequence: one for one in reads.trades(tx, security_id, before=before, limit=limit)}
            for trade in trades:
                found = stored.get(trade.sequence)
                if found is None:
                    self.unstored.append(trade)
                    continue
                self.trades.checked += 1
                if not _is_same(found, trade):
                    self.trades.find(f"{found} was stored; the replay makes {trade}")

    def await_trades(self, market_data: Database, patience: Patience) -> Checked:
        """Look for the trades that were missing until the feed has stored them (rule 8)."""
        while patience.wait(len(self.unstored)):
            missing, self.unstored = self.unstored, []
            for page in _pages(missing):
                with market_data.snapshot() as tx:
                    self._compare_trades(tx, page)
        for trade in self.unstored:
            self.trades.find(f"trade {trade.sequence} of {trade.security_id} is not stored: {trade}")
        return self.trades


def check_nothing_beyond(tx: Connection, heads: Mapping[int, int]) -> Checked:
    """No execution is of a command that no log has (rule 6).

    heads  the last command of each shard's log
    """
    checked = Checked()
    ranges = " OR ".join(
        f"(event_id >= {event_id(shard, 1, 0)} AND event_id < {event_id(shard, head + 1, 0)})"
        for shard, head in heads.items()
    )
    for (beyond,) in tx.execute(text(f"SELECT event_id FROM executions WHERE NOT ({ranges})")):  # noqa: S608  # numbers
        checked.find(f"execution {beyond} was settled and is of a command that no log has")
    return checked


def _is_of_this_version(body: bytes) -> bool:
    """Whether an undamaged snapshot can be compared; the hash of one of another version is another."""
    try:
        decode(body)
    except msgspec.ValidationError:
        return False
    return True


def _is_same(stored: Trade, made: TradeMade) -> bool:
    return (
        stored.event_id == made.event_id
        and stored.price_cents == made.price_cents
        and stored.quantity == made.quantity
        and stored.aggressor_side == made.aggressor_side
        and stored.traded_us == made.traded_us
    )


def _pages(missing: Iterable[_Event]) -> Iterator[list[_Event]]:
    remaining = iter(missing)
    while page := list(islice(remaining, _PAGE)):
        yield page
