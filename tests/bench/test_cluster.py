"""The faults of hosts, the clients that leave a host that fails, and the account of their orders."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, get_args

import pytest

from bench.cluster import report
from bench.cluster.clients import ARRAY, Follower, Trader
from bench.cluster.faults import Kind, schedule
from bench.cluster.verdict import order_findings
from db.connect import Database
from tests.bench.conftest import PutOrder

CLIENT = "BENCH_0"


def test_a_seed_makes_the_same_faults() -> None:
    planned = [schedule(seed, 14) for seed in (7, 7, 8)]
    assert planned[0] == planned[1] != planned[2]


def test_every_kind_happens_before_one_happens_again() -> None:
    kinds = [fault.kind for group in schedule(3, 14) for fault in group]
    assert sorted(kinds[:7]) == sorted(kinds[7:]) == sorted(get_args(Kind))


def test_some_faults_overlap_and_no_more_than_two() -> None:
    groups = [group for seed in range(20) for group in schedule(seed, 7)]
    assert {len(group) for group in groups} == {1, 2}
    for first, *others in groups:
        assert first.after_s == 0
        assert all(0 < other.after_s < first.lasts_s for other in others)


# -- the clients -------------------------------------------------------------------------------------------------------


@contextmanager
def host(*statuses: int) -> Iterator[tuple[str, list[list[str]]]]:
    """Answer with these statuses, and then accept everything; yield the address and the names that arrived."""
    arrived: list[list[str]] = []
    planned = list(statuses)
    ids: dict[str, int] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            orders = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            arrived.append([order["client_order_id"] for order in orders])
            status = planned.pop(0) if planned else 202
            results: list[dict[str, Any]] = [
                {"order_id": ids.setdefault(name, len(ids) + 1), "status": "accepted"} for name in arrived[-1]
            ]
            if status == 207:  # the first half only
                status, half = 202, len(results) // 2
                results[half:] = [{"status": 503, "code": "not_accepted"}] * (len(results) - half)
            body = json.dumps({"results": results} if status == 202 else {"code": "unknown_outcome"}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", arrived
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def traded(urls: Sequence[str], *, arrays: int) -> Trader:
    """Return a trader that has sent so many arrays."""
    trader = Trader(0, "key", urls, run="run", seed=1, per_s=100_000)
    trader.start()
    while len(trader.waits_s) < arrays and trader.is_alive():
        time.sleep(0.01)
    trader.end()
    trader.join()
    return trader


@pytest.mark.parametrize("status", [503, 500, 429])
def test_an_array_without_an_answer_goes_to_the_next_host_under_the_same_names(status: int) -> None:
    with host(status) as (first, at_first), host() as (second, at_second):
        trader = traded([first, second], arrays=1)
    assert at_first[0] == at_second[0]
    assert len(set(at_first[0])) == ARRAY
    assert trader.accepted.keys() >= set(at_first[0])
    assert trader.doubled == trader.unanswered == []


def test_only_the_orders_without_an_answer_are_sent_again() -> None:
    with host(207) as (first, at_first), host() as (second, at_second):
        trader = traded([first, second], arrays=1)
    assert at_second[0] == at_first[0][ARRAY // 2 :]
    # The second host gives the second half the ids that the first one gave to the first half.
    assert [trader.accepted[name] for name in at_first[0]] == [*range(1, ARRAY // 2 + 1)] * 2


def test_a_host_that_is_gone_is_left() -> None:
    with host() as (gone, _):
        pass
    with host() as (second, at_second):
        trader = traded([gone, second], arrays=2)
    assert at_second[0][0] == "run-0-1"
    assert trader.answers["0 ConnectionRefusedError"] == 1


def test_a_follower_counts_what_comes_twice_and_finds_what_never_comes() -> None:
    follower = Follower(CLIENT, "key", ["http://127.0.0.1:9"])
    for sequence in (5, 6, 6, 5, 7, 9):
        follower._take(sequence)
    assert (follower.reports, follower.repeated, follower.wrong) == (6, 2, ["report 9 follows 7"])


# -- the account -------------------------------------------------------------------------------------------------------


def counted(found: tuple[list[str], list[str], int]) -> tuple[int, int]:
    """Return the numbers of lost and doubled orders."""
    return len(found[0]), len(found[1])


@pytest.mark.parametrize(
    ("logged", "reports", "lost", "doubled"), [(True, 1, 0, 0), (False, 1, 1, 0), (True, 0, 1, 0), (True, 2, 0, 1)]
)
def test_an_order_is_in_the_log_and_reported_once(
    clearing_data: Database,
    market_data: Database,
    put_order: PutOrder,
    *,
    logged: bool,
    reports: int,
    lost: int,
    doubled: int,
) -> None:
    put_order(1, CLIENT, "one", logged=logged, reports=reports)
    assert counted(order_findings({"one": 1}, [CLIENT], clearing_data, market_data)) == (lost, doubled)


def test_an_accepted_order_that_is_missing_or_has_another_name_is_lost(
    clearing_data: Database, market_data: Database, put_order: PutOrder
) -> None:
    put_order(1, CLIENT, "one")
    found = order_findings({"one": 1, "two": 2, "three": 1}, [CLIENT], clearing_data, market_data)
    assert counted(found) == (2, 0)


def test_a_report_reads_well() -> None:
    follower = Follower(CLIENT, "key", ["http://127.0.0.1:9"])
    trader = Trader(0, "key", ["http://127.0.0.1:9"], run="run", seed=1, per_s=1)
    trader.waits_s = [0.02, 4.0]
    trader.accepted = {"run-0-1": 1}
    trader.answers.update(["202", "503 not_accepted"])
    shown = report.figures(7, 10.0, [trader], follower) | {
        "lost": 0,
        "doubled": 0,
        "denied": 0,
        "gaps_in_a_stream": 0,
        "until_settled_s": [{"fault": "cut host-1", "began_s": 10.0, "seconds": 6.5}],
        "audit": [{"rule": 1, "passed": True}],
        "findings": ["lost: one"],
    }
    text = report.as_text(shown)
    assert "| until the next settled order | p50 6.5 s, max 6.5 s |" in text
    assert "| answers | 1 x 202, 1 x 503 not_accepted |" in text
    assert text.endswith("## Findings\n\n- lost: one\n")
