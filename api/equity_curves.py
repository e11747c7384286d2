"""What clients were worth over time: sampled every few seconds, and told as curves."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import gevent
import structlog

from api import outgoing
from api.databases import reading, writing
from api.money import dollars
from api.problems import Problem
from db.clearing_data import equity_samples, standings
from db.clearing_data.equity_samples import EVERY_US, Sample
from db.clearing_data.initial_data import REFERENCE_PRICE_CENTS
from db.clearing_data.securities import listed
from db.connect import Database

log = structlog.get_logger()

# As many clients as are sampled, and as are told: the richest.
MOST_SAMPLED = 200
MOST_TOLD = 20
# Points of a curve.
MOST_POINTS = 240

_US = 1_000_000


class EquityCurves:
    """Samples as long as the process lives, and tells what was sampled."""

    def __init__(self, clearing_data: Database) -> None:
        self._clearing_data = clearing_data
        gevent.spawn(self._run)

    def _run(self) -> None:
        while True:
            now_us = time.time_ns() // 1_000
            gevent.sleep((EVERY_US - now_us % EVERY_US) / _US)
            try:
                self.sample(time.time_ns() // 1_000)
            except Problem as problem:
                # The curves have a gap there, as the exchange had.
                log.warning("equity_not_sampled", fault=problem.detail)

    def sample(self, now_us: int) -> None:
        """Keep what clients are worth now. Raises Problem (503) when the database is away."""
        with reading(self._clearing_data) as tx:
            found = standings.standings(tx, {}, opening_price_cents=REFERENCE_PRICE_CENTS)
            securities = listed(tx)
        worth = [
            (outgoing.equity_cents(one.account, one.holdings, securities), one.account.client_id, one.paid_in_cents)
            for one in found
        ]
        worth.sort(key=lambda entry: (-entry[0], entry[1]))
        sampled = {client_id: (equity, paid_in) for equity, client_id, paid_in in worth[:MOST_SAMPLED]}
        with writing(self._clearing_data) as tx:
            equity_samples.add(tx, Sample(now_us // EVERY_US * EVERY_US, sampled))

    def read(self, *, since_us: int) -> dict[str, Any]:
        """The curves since a time, of those who are the richest at their end. Raises Problem (503)."""
        with reading(self._clearing_data) as tx:
            return _curves(equity_samples.since(tx, since_us, most=MOST_POINTS))


def _curves(samples: Sequence[Sample]) -> dict[str, Any]:
    """Equal times for all; None where a client was not sampled."""
    latest = samples[-1].standings if samples else {}
    told = sorted(latest, key=lambda client_id: (-latest[client_id][0], client_id))[:MOST_TOLD]
    curves = [(client_id, [sample.standings.get(client_id) for sample in samples]) for client_id in told]
    return {
        "times": [outgoing.time_of(sample.sampled_us) for sample in samples],
        "equity": {client_id: [dollars(one[0]) if one else None for one in points] for client_id, points in curves},
        "returns": {
            client_id: [outgoing.return_of(*one) if one else None for one in points] for client_id, points in curves
        },
    }
