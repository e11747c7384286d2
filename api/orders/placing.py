"""Placing, replacing and cancelling orders, one or many in a request: what `POST /orders` does, whoever serves it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from api.orders.intake.desk import Entry, OrderDesk
from api.request.auth import Environ, Keys
from api.request.body import read_json
from api.request.refusals import Refusals
from api.wire.problems import invalid
from api.wire.shapes import request_of, requests_of
from celery_app.clock import now_us
from db.clearing_data.keys import Identity


class Told(NamedTuple):
    """An answer before it is written."""

    status: int
    content: Mapping[str, Any]
    headers: Mapping[str, str]


class Placing:
    """Takes what clients send, and hands it in at the desk."""

    def __init__(self, keys: Keys, desk: OrderDesk, refusals: Refusals, *, max_request_orders: int) -> None:
        self._keys = keys
        self._refusals = refusals
        self._desk = desk
        self._max_request_orders = max_request_orders

    def post(self, environ: Environ) -> Told:
        """Answer a request whose key may trade. Raises Problem."""
        received_us = now_us()
        identity = self._keys.identify(environ)
        content = read_json(environ)
        if not isinstance(content, list):
            return self.hand_in(Entry(request_of(content)), identity, received_us)
        if not 1 <= len(content) <= self._max_request_orders:
            raise invalid("", f"an array has 1 to {self._max_request_orders} requests")
        entries = [Entry(asked, f"/{position}") for position, asked in enumerate(requests_of(content))]
        allowance = self._desk.take(entries, identity, received_us=received_us)
        if refused := sum(entry.problem is not None for entry in entries):
            self._refusals.count(identity, refused)
        results = [entry.problem.content() if entry.problem else entry.answer() for entry in entries]
        return Told(202, {"status": "success", "results": results}, allowance.headers())

    def hand_in(self, entry: Entry, identity: Identity, received_us: int) -> Told:
        """Hand in a single request. Raises Problem."""
        allowance = self._desk.take([entry], identity, received_us=received_us)
        if entry.problem is not None:
            raise entry.problem
        return Told(200 if entry.duplicate else 202, entry.answer(), allowance.headers())
