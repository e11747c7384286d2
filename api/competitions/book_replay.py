"""Rebuilds the book of a security from its commands: every change of a level, every trade, every phase."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from api.wire.money import dollars
from api.wire.outgoing import trade_id
from tasks.matching.rules.engine import Engine
from tasks.messages import Command, PhaseChanged, SetPhase, TradeMade


class BookReplay:
    """A replay that advances command by command; times are milliseconds since its first auction began.

    book    [time, "bid" or "ask", price, quantity, orders], absolute; quantity 0 removes the level
    trades  [time, price, quantity, aggressor's side or null, trade id]
    phases  [time, phase]
    """

    def __init__(self, shard: int, listed: tuple[int, Command]) -> None:
        self._engine = Engine(shard)
        self._engine.apply(*listed)
        self._engine.book_updates()
        self.began_us: int | None = None
        self.ended_us = 0
        self.book: list[list[Any]] = []
        self.trades: list[list[Any]] = []
        self.phases: list[list[Any]] = []

    def apply(self, commands: Iterable[tuple[int, Command]]) -> None:
        """Apply the next commands. Commands of other securities may be missing: their books do not concern this one."""
        for seq, command in commands:
            if self.began_us is None:
                if type(command) is not SetPhase or command.phase != "auction":
                    self._engine.apply(seq, command)
                    continue
                self.began_us = command.sequenced_us
            self.ended_us = max(self.ended_us, command.sequenced_us)
            at_ms = max(command.sequenced_us - self.began_us, 0) // 1_000
            for event in self._engine.apply(seq, command):
                if type(event) is TradeMade:
                    price, side = dollars(event.price_cents), event.aggressor_side
                    self.trades.append([at_ms, price, event.quantity, side, trade_id(event.event_id)])
                elif type(event) is PhaseChanged and (not self.phases or self.phases[-1][1] != event.phase):
                    self.phases.append([at_ms, event.phase])
            for update in self._engine.book_updates():
                for side_name, levels in (("bid", update.bids), ("ask", update.asks)):
                    self.book += [[at_ms, side_name, dollars(level[0]), level[1], level[2]] for level in levels]
