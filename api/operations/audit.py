"""The route of the audit: what must always hold, checked on the running exchange."""

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
    """The route."""
    blueprint = Blueprint("audit", __name__)
    one_at_a_time = Semaphore()

    @blueprint.get("/audit")
    @declared("admin", "Check what must always hold; takes a while", gives={200: answers_schema.Audit})
    def audit() -> Response:
        if not one_at_a_time.acquire(blocking=False):
            raise Problem(429, "audit_under_way", "an audit is under way", retry=True)
        try:
            return _audit()
        finally:
            one_at_a_time.release()

    return blueprint


def _audit() -> Response:
    """Run the audit as a process of its own: it replays the whole log, and orders must not wait for that."""
    try:
        run = subprocess.run(  # our own module
            [sys.executable, "-m", "tasks.audit", "--json"], stdout=subprocess.PIPE, timeout=AUDIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise Problem(503, "unavailable", f"the audit did not end in {AUDIT_S:.0f} s", retry=True) from None
    try:
        return answer(msgspec.json.decode(run.stdout))
    except msgspec.DecodeError:
        log.error("audit_failed", status=run.returncode)
        raise Problem(503, "unavailable", "the audit could not be made", retry=True) from None
