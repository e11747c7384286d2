"""Health, metrics and audit over HTTP."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kombu import Connection
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from api.http import stream_figures
from api.http.stream_figures import StreamFigures
from celery_app import liveness
from celery_app.topology import task_queues
from db.connect import Database
from tasks.data_feed.record import record
from tasks.messages import FeedBatch
from tests.api.conftest import Keys, limit
from tests.support.feed import trade
from tests.support.streams import wait_until
from tests.support.web import ROOT, Api, problem, running_api
from tests.support.worker import Worker
from tests.tasks.data_feed.rules.test_reports import entry_report


def test_health_names_missing_services(api: Api) -> None:
    assert api.ask("GET", "/health/live").json() == {"status": "live"}
    answer = api.ask("GET", "/health/ready")
    assert answer.status_code == 503
    assert problem(answer)["dependencies"] == {
        "rabbitmq": "ok",
        "clearing_data": "ok",
        "market_data": "ok",
        "redis": "ok",
        "streams": "away",
        **{queue.name: "no worker" for queue in task_queues()},
    }
    with Worker("order_entry"):
        # The answer is computed once for all callers of a second.
        wait_until(lambda: api.ask("GET", "/health/ready").json()["dependencies"]["order_entry"] == "ok")


def test_the_root_is_json(api: Api) -> None:
    assert api.ask("GET", "/").headers["Content-Type"] == "application/json"


def test_the_audit_delays_no_order(api: Api, keys: Keys) -> None:
    with ThreadPoolExecutor(1) as background:
        audit = background.submit(api.ask, "GET", "/audit", key=keys.admin)
        placed = 0
        while not audit.done():
            assert api.ask("POST", "/orders", key=keys.single, json=limit()).status_code == 202
            placed += 1
    assert placed > 10
    assert audit.result().status_code == 200
    assert audit.result().json()["rules"]


def test_the_audit_is_for_the_admin(api: Api, keys: Keys) -> None:
    for key, status in [(None, 401), (keys.single, 403)]:
        answer = api.ask("GET", "/audit", key=key)
        assert answer.status_code == status
        problem(answer)


# -- metrics -------------------------------------------------------------------------------------------------------


def metrics_of(api: Api) -> dict[tuple[str, frozenset[str]], float]:
    """Return the samples by name and label values."""
    answer = api.ask("GET", "/metrics")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    return {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_metrics_match_what_is_stored_queued_and_counted(
    api: Api,
    keys: Keys,
    clearing_data: Database,
    market_data: Database,
    queues: Connection,
    run_directory: Path,
) -> None:
    now_us = time.time_ns() // 1_000
    with clearing_data.transaction() as tx:
        tx.execute(text("UPDATE shards SET last_seq = 41 WHERE shard = 0"))
        tx.execute(text("INSERT INTO published_marks VALUES (0, 40)"))
        tx.execute(text("INSERT INTO denials VALUES (9, 'insufficient_funds', :now)"), {"now": now_us})
        tx.execute(text("UPDATE last_prices SET event_id = 7 WHERE security_id = 'MSFT'"))
        tx.execute(
            text(
                "INSERT INTO executions (event_id, executed_us, settled_us, quantity, hold_cents, sequence, kind, "
                "security_id) VALUES (7, 1, 1, 1, 1, 12, 'trade', 'MSFT'), (8, 1, 1, 1, 1, 13, 'failed', 'MSFT')"
            )
        )
    with market_data.transaction() as tx:
        tx.execute(text("INSERT INTO books (security_id) VALUES ('MSFT')"))
    placed = entry_report(client_id="SINGLE", received_us=now_us)
    made = trade(13, buyer="SINGLE", seller="SINGLE", traded_us=now_us)
    reported = [
        FeedBatch("order_entry", now_us + 5_000, orders=[placed]),
        FeedBatch("matching", now_us + 5_000, trades=[made]),
        FeedBatch("order_execution", now_us + 5_000, settled=[made]),
    ]
    record(market_data, reported, taken_us=now_us)
    with market_data.transaction() as tx:
        tx.execute(text("UPDATE report_stamps SET stored_us = sent_us + 2000"))
    assert api.ask("POST", "/orders", key=keys.single, json=limit()).status_code == 202
    for order in (limit(price=0.001), [limit(), limit(price=0.001)], limit(quantity=0)):
        api.ask("POST", "/orders", key=keys.single, json=order)
    api.ask("GET", "/orders/MSFT/999", key=keys.single)
    stream_figures.write(run_directory, StreamFigures(clients=5, anonymous_clients=3, cut_off=7, at_us=now_us))
    for pid, redelivered in ((1, 2), (2, 3)):
        liveness.write(run_directory, f"matching.0-{pid}@host.example-1", redelivered=redelivered)
    (run_directory / "alive" / "scheduler-9@host").write_text("1764456000\n")
    (run_directory / "alive" / ".matching.0-9@host").write_text("1764456000 5\n")  # not finished yet
    time.sleep(1.1)  # the figures that another test has read are cached for a second
    found = metrics_of(api)
    expected = {
        ("exchange_queue_messages", frozenset({"order_entry"})): 2,
        ("exchange_queue_messages", frozenset({"dead_letter"})): 0,
        ("exchange_queue_workers", frozenset({"order_entry"})): 0,
        ("exchange_commands_sequenced_total", frozenset({"0"})): 41,
        ("exchange_commands_unpublished", frozenset({"0"})): 1,
        ("exchange_trades_settled_total", frozenset({"MSFT"})): 12,
        ("exchange_trades_settled_total", frozenset({"AAPL"})): 0,
        ("exchange_trades_failed_total", frozenset()): 1,
        ("exchange_trades_stored_total", frozenset({"MSFT"})): 13,
        ("exchange_reports_stored_total", frozenset()): 5,
        ("exchange_redelivered_messages_total", frozenset({"matching.0"})): 5,
        ("exchange_stage_latency_seconds", frozenset({"order_entry", "0.5"})): 0.005,
        ("exchange_stage_latency_seconds", frozenset({"order_execution", "0.99"})): 0.005,
        ("exchange_stage_latency_seconds", frozenset({"data_feed", "0.5"})): 0.002,
        ("exchange_requests_denied_last_minute", frozenset({"insufficient_funds"})): 1,
        **{("exchange_source_up", frozenset({source})): 1 for source in ("rabbitmq", "clearing_data", "market_data")},
    }
    assert expected.items() <= found.items()
    for stage, reports, quick in (("order_entry", 1, 0), ("order_execution", 1, 0), ("data_feed", 2, 2)):
        # An order takes 5 ms to its report, and 2 ms from there to storage; other tests may have left reports before.
        assert found["exchange_stage_seconds_count", frozenset({stage})] >= reports
        assert found["exchange_stage_seconds_bucket", frozenset({stage, "0.005"})] >= reports
        assert found["exchange_stage_seconds_bucket", frozenset({stage, "0.002"})] >= quick
    assert found["exchange_http_requests_total", frozenset({"/orders", "POST", "202"})] >= 1
    assert found["exchange_http_requests_total", frozenset({"/orders", "POST", "422"})] >= 2
    assert found["exchange_refused_total", frozenset({"price_off_tick"})] >= 2
    assert found["exchange_refused_total", frozenset({"not_found"})] >= 1
    assert found["exchange_http_request_seconds_bucket", frozenset({"/orders", "+Inf"})] >= 3
    assert found["exchange_stream_clients", frozenset({"given"})] == 2
    assert found["exchange_stream_clients_cut_off_total", frozenset()] == 7
    assert any(name == "exchange_build_info" for name, _ in found)
    documented = (ROOT / "docs" / "operations.md").read_text()
    for name, _ in found:
        documented_as = re.sub("_(bucket|count|sum|created)$", "", name)
        assert f"`{documented_as}" in documented, name


def test_metrics_name_unavailable_services() -> None:
    with running_api({"BROKER_URL": "amqp://127.0.0.1:1//", "MARKET_DATA_URL": "postgresql://127.0.0.1:1/x"}) as api:
        found = metrics_of(api)
    assert {
        (source, found["exchange_source_up", frozenset({source})])
        for source in ("rabbitmq", "clearing_data", "market_data")
    } == {("rabbitmq", 0), ("clearing_data", 1), ("market_data", 0)}
    assert ("exchange_commands_sequenced_total", frozenset({"0"})) in found
