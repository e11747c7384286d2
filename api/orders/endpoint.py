"""Place, replace and cancel orders, one or many in a request: the work of `POST /orders`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from api.orders.intake.gateway import OrderGateway, Submission
from api.request.auth import Environ, Keys
from api.request.body import read_body
from api.request.refusals import RefusalLimits
from api.request.traffic import Traffic
from api.wire.order_bodies import Request
from api.wire.order_reading import requests_in
from api.wire.problems import Problem
from celery_app.clock import now_us
from db.clearing_data.clients.keys import Identity


class Reply(NamedTuple):
    """A response before it is encoded."""

    status: int
    content: Any
    headers: Mapping[str, str]


class OrderEndpoint:
    """Reads the requests of clients and submits them to the gateway."""

    def __init__(self, keys: Keys, gateway: OrderGateway, refusals: RefusalLimits, traffic: Traffic) -> None:
        self._keys = keys
        self._refusals = refusals
        self._gateway = gateway
        self._traffic = traffic

    def post(self, environ: Environ) -> Reply:
        """Answer a request whose key may trade. Raises Problem."""
        received_us = now_us()
        identity = self._keys.identify(environ)
        asked = requests_in(read_body(environ))
        if isinstance(asked, Sequence):
            return self._submit_many(asked, identity, received_us)
        return self.submit(Submission(asked), identity, received_us)

    def submit(self, submission: Submission, identity: Identity, received_us: int) -> Reply:
        """Submit a single request. Raises Problem."""
        allowance = self._gateway.submit([submission], identity, received_us=received_us)
        if submission.problem is not None:
            raise submission.problem
        return Reply(200 if submission.duplicate else 202, submission.answer(), allowance.headers())

    def _submit_many(self, asked: Sequence[Request | Problem], identity: Identity, received_us: int) -> Reply:
        submissions = [Submission(request, position) for position, request in enumerate(asked)]
        allowance = self._gateway.submit(submissions, identity, received_us=received_us)
        if refused := sum(one.problem is not None for one in submissions):
            self._refusals.count(identity, refused)
            self._traffic.refuse(one.problem.code for one in submissions if one.problem)
        results = [one.problem.content() if one.problem else one.answer() for one in submissions]
        return Reply(202, {"status": "success", "results": results}, allowance.headers())
