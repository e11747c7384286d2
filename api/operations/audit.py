"""The route of the audit, which checks the invariants of the running exchange."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import structlog
from flask import Blueprint, Response
from gevent.lock import Semaphore

from api.wire.answers import answer
from api.wire.answers_schema import operations as answers_schema
from api.wire.declaration import declared
from api.wire.problems import Problem

log = structlog.get_logger()

AUDIT_S = 300.0


def routes() -> Blueprint:
    """Return the route."""
    blueprint = Blueprint("audit", __name__)
    one_at_a_time = Semaphore()

    @blueprint.get("/audit")
    @declared("admin", "Check the invariants of the exchange; takes a while", gives={200: answers_schema.Audit})
    def audit() -> Response:
        if not one_at_a_time.acquire(blocking=False):
            raise Problem(429, "audit_under_way", "another audit is running", retry=True)
        try:
            return _audit()
        finally:
            one_at_a_time.release()

    return blueprint


def _audit() -> Response:
    """Run the audit in a process of its own: it replays the whole log, and orders must not wait for it."""
    try:
        run = subprocess.run(  # our own module
            [sys.executable, "-m", "tasks.audit", "--json"], stdout=subprocess.PIPE, timeout=AUDIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise Problem(503, "unavailable", f"the audit did not finish within {AUDIT_S:.0f} s", retry=True) from None
    try:
        return answer(msgspec.json.decode(run.stdout))
    except msgspec.DecodeError:
        log.error("audit_failed", status=run.returncode)
        raise Problem(503, "unavailable", "the audit failed", retry=True) from None
