"""The equity of clients over time: sampled every few seconds, and returned as curves."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import gevent
import structlog

from api.request.databases import reading, writing
from api.request.shared import SharedValue
from api.wire import outgoing
from api.wire.answers import encode
from api.wire.money import dollars
from api.wire.problems import Problem
from celery_app.clock import now_us
from db.clearing_data.clients import equity_samples, standings
from db.clearing_data.clients.equity_samples import EVERY_US, Sample
from db.clearing_data.listing.securities import ever_listed
from db.connect import Database
from tasks.shared.rules.securities import Security

log = structlog.get_logger()

# The number of clients that are sampled, and the number that have a curve: the richest.
MOST_SAMPLED = 200
MOST_SHOWN = 20
# The most points of a curve.
MOST_POINTS = 240

# The spans for which curves are read from the database; any other span is cut from the next longer one. So however
# many clients ask for however many spans, each of these is read only as often as new samples change it [s].
SPANS_S = (60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200, 86_400)
SAMPLES_A_SPAN = 8_640

_US = 1_000_000


class EquityCurves:
    """Samples the equity of clients while the process lives, and returns the samples as curves."""

    def __init__(self, clearing_data: Database) -> None:
        self._clearing_data = clearing_data
        self._begun = False
        self._spans = {
            span_s: SharedValue(partial(self._read_span, span_s), remember_s=max(span_s / SAMPLES_A_SPAN, 1.0))
            for span_s in SPANS_S
        }
        gevent.spawn(self._run)

    def _run(self) -> None:
        while True:
            gevent.sleep((EVERY_US - now_us() % EVERY_US) / _US)
            try:
                self.sample(now_us())
            except Problem as problem:
                # The curves have a gap at this time, as the database was away.
                log.warning("equity_not_sampled", fault=problem.detail)

    def sample(self, at_us: int) -> None:
        """Store the current equity of the clients. Raises Problem (503) when the database is away.

        The curves of a new exchange begin after its first auction: before that, the market has not made any price.
        """
        with reading(self._clearing_data) as tx:
            securities = ever_listed(tx)
            self._begun = self._begun or equity_samples.any_exist(tx) or not _opening(securities)
            if not self._begun:
                return
            found = standings.standings(tx, {})
        worth = [(outgoing.equity_cents(one.account, one.holdings, securities), one) for one in found]
        worth.sort(key=lambda entry: (-entry[0], entry[1].account.client_id))
        sampled = {
            one.account.client_id: (equity_cents, one.growth.return_ppm(equity_cents))
            for equity_cents, one in worth[:MOST_SAMPLED]
        }
        with writing(self._clearing_data) as tx:
            equity_samples.add(tx, Sample(at_us // EVERY_US * EVERY_US, sampled))

    def read(self, seconds: int) -> bytes:
        """Return the curves of the last seconds, of the clients that are now the richest, as JSON.

        raises  Problem (503)
        """
        span_s = next(span_s for span_s in SPANS_S if span_s >= seconds)
        curves, encoded = self._spans[span_s].get()
        return encoded if span_s == seconds else encode(_since(curves, now_us() - seconds * _US))

    def _read_span(self, span_s: int) -> tuple[dict[str, Any], bytes]:
        with reading(self._clearing_data) as tx:
            found = equity_samples.since(tx, now_us() - span_s * _US, most=MOST_POINTS, richest=MOST_SHOWN)
        curves = _curves(found)
        return curves, encode(curves)


def _opening(securities: Sequence[Security]) -> bool:
    return any(security.phase == "auction" for security in securities)


def _since(curves: Mapping[str, Any], since_us: int) -> dict[str, Any]:
    """Return the part of the curves since a time; times compare as text because all have the same number of digits."""
    first = bisect_left(curves["times"], outgoing.time_of(since_us))
    return {
        "times": curves["times"][first:],
        "equity": {client_id: points[first:] for client_id, points in curves["equity"].items()},
        "returns": {client_id: points[first:] for client_id, points in curves["returns"].items()},
    }


def _curves(samples: Sequence[Sample]) -> dict[str, Any]:
    """Return curves that share their times, with None where a client was not sampled."""
    latest = samples[-1].standings if samples else {}
    shown = sorted(latest, key=lambda client_id: (-latest[client_id][0], client_id))
    curves: dict[str, Any] = {
        "times": [outgoing.time_of(sample.sampled_us) for sample in samples],
        "equity": {},
        "returns": {},
    }
    for client_id in shown:
        points = [sample.standings.get(client_id) for sample in samples]
        curves["equity"][client_id] = [dollars(one[0]) if one else None for one in points]
        curves["returns"][client_id] = [outgoing.return_of(one[1]) if one else None for one in points]
        gevent.sleep(0)  # let orders go first
    return curves
