"""The speed of the front door alone: one api process and RabbitMQ, with order entry stopped.

A quorum queue confirms each order before its 202. To find the share of authentication and validation, this process
checks requests of the same load (key, body, schema, rules of the edge) and compares its CPU with that of the api.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from multiprocessing.connection import Connection as Pipe

from api.orders.intake.rules import refusal
from api.request.auth import Keys
from api.request.body import read_body
from api.wire.order_reading import requests_in
from bench.load.flow import cycle
from bench.load.generator import Generator, LoadResult, Plan, Shared
from bench.scenarios.report import Section, percentile_ms
from bench.target.accounts import NAMES
from bench.target.cpu import CpuMeter
from bench.target.exchange import Exchange
from celery_app.clock import now_us
from db.clearing_data.listing import securities

CONNECTIONS = 64
ARRAY_SIZE = 100
START_TIMEOUT_S = 60.0
CHECKED = 20_000


@dataclass(frozen=True, slots=True)
class FrontDoor:
    """The result of a run."""

    singles: LoadResult
    arrays: LoadResult
    api_cpu_us: float  # of a single order
    checks_us: float  # the part of it for authentication and validation


def measure(exchange: Exchange, *, seconds: float, seed: int) -> FrontDoor:
    """Send single orders over many connections, then arrays over one. The caller has stopped order entry."""
    plan = exchange.plan(connections=CONNECTIONS, array_size=0, seconds=seconds, seed=seed)
    meter = CpuMeter(exchange)
    singles = _load(plan)
    api_cpu_s = meter.used_s()["api"]
    arrays = _load(replace(plan, connections=1, array_size=ARRAY_SIZE, seconds=max(seconds / 4, 1.0)))
    return FrontDoor(singles, arrays, 1e6 * api_cpu_s / singles.accepted, _checks_us(exchange, seed))


def _load(plan: Plan) -> LoadResult:
    """Run a load from a process of its own."""
    spawn = multiprocessing.get_context("spawn")
    accepted, allowed = spawn.RawValue("q", 0), spawn.RawValue("q", 2**62)
    pipe, its_pipe = spawn.Pipe()
    process = spawn.Process(target=_generate, args=(plan, accepted, allowed, its_pipe), daemon=True)
    process.start()
    if not pipe.poll(START_TIMEOUT_S + plan.seconds):
        raise TimeoutError("the load generator did not answer")
    result: LoadResult = pipe.recv()
    process.join()
    return result


def _generate(plan: Plan, accepted: Shared, allowed: Shared, pipe: Pipe) -> None:
    pipe.send(Generator(plan, accepted=accepted, allowed=allowed).run())


def _checks_us(exchange: Exchange, seed: int) -> float:
    """Return the CPU of checking a single order [µs]."""
    keys = Keys(exchange.clearing_data, remember_s=3600.0)
    with exchange.clearing_data.snapshot() as tx:
        listed = {security.security_id: security for security in securities.listed(tx)}
    bodies = [order.json.encode() for order in cycle(0, seed=seed, orders=1_000)]
    environ = {
        "REQUEST_METHOD": "POST",
        "CONTENT_TYPE": "application/json",
        "HTTP_AUTHORIZATION": f"Bearer {exchange.client_keys[NAMES[0]]}",
    }
    identity = keys.identify(environ)
    began_s = time.process_time()
    for number in range(CHECKED):
        body = bodies[number % len(bodies)]
        request = {**environ, "CONTENT_LENGTH": str(len(body)), "wsgi.input": BytesIO(body)}
        keys.admit("client_write", request)
        asked = requests_in(read_body(request))
        assert not isinstance(asked, Sequence)
        assert refusal(asked, identity, listed, now_us=now_us()) is None
    return 1e6 * (time.process_time() - began_s) / CHECKED


def section(name: str, outcome: FrontDoor) -> Section:
    """Report the run."""
    singles, arrays = outcome.singles, outcome.arrays
    share = outcome.checks_us / outcome.api_cpu_us
    answer_ms, array_ms = (
        {f"p{percent}": round(percentile_ms(load.latencies_s, percent), 2) for percent in (50, 95, 99)}
        for load in (singles, arrays)
    )
    rows = [
        ("load", f"single orders over {CONNECTIONS} connections, then arrays of {ARRAY_SIZE} over one; no order entry"),
        ("single orders", f"{singles.accepted / singles.seconds:,.0f}/s, each confirmed, over {singles.seconds:.1f} s"),
        ("POST to answer", " · ".join(f"{percent} {ms:.1f} ms" for percent, ms in answer_ms.items())),
        (f"POST of {ARRAY_SIZE} to answer", " · ".join(f"{percent} {ms:.1f} ms" for percent, ms in array_ms.items())),
        ("refused", ", ".join(f"{n:,} with {status}" for status, n in singles.refused.items()) or "none"),
        ("CPU api", f"{outcome.api_cpu_us:.0f} µs an order"),
        ("part for authentication and validation", f"{outcome.checks_us:.1f} µs, {100 * share:.0f} %"),
    ]
    figures = {
        "accepted_a_second": round(singles.accepted / singles.seconds, 1),
        "orders": singles.accepted,
        "refused": dict(singles.refused),
        "lost_connections": singles.lost,
        "answer_ms": answer_ms,
        "array_ms": array_ms,
        "array_size": ARRAY_SIZE,
        "connections": CONNECTIONS,
        "api_cpu_us_an_order": round(outcome.api_cpu_us, 1),
        "checks_us_an_order": round(outcome.checks_us, 1),
        "checks_share": round(share, 3),
    }
    return Section(name, rows, figures)
