"""Flower needs no password on loopback, and listens on no other address without one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from kombu import Connection

from celery_app.publisher import Publisher
from celery_app.settings import Settings
from celery_app.topology import ORDER_ENTRY
from deploy.flower import refusal
from tests.celery_app.test_stage import send
from tests.support.broker import depth
from tests.support.exchange import Exchange
from tests.support.side_by_side import free_port
from tests.support.worker import Worker, delivered_together

LOGIN = "operator:a password"


def started(**variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "deploy.flower"],
        env=os.environ | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def flower(**variables: str) -> Iterator[str]:
    """Run Flower inside the block, and give its address."""
    port = free_port()
    process = started(FLOWER_PORT=str(port), **variables)
    try:
        url = f"http://127.0.0.1:{port}"
        Exchange.wait_until(lambda: process.poll() is not None or status(url, "/healthcheck") == 200, "Flower answers")
        yield url
    finally:
        process.kill()
        process.communicate()


def status(url: str, path: str, login: str | None = None) -> int:
    """Return the status of the answer; 0 without an answer."""
    manager = urllib.request.HTTPPasswordMgrWithPriorAuth()
    if login is not None:
        name, _, password = login.partition(":")
        manager.add_password(None, url, name, password, is_authenticated=True)
    opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(manager))
    try:
        with opener.open(url + path, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code
    except OSError:
        return 0


def test_on_loopback_it_takes_no_password() -> None:
    with flower() as url:
        assert status(url, "/workers") == 200


def test_it_counts_messages_although_workers_report_batches(broker: Connection, publisher: Publisher) -> None:
    with flower(FLOWER_UNAUTHENTICATED_API="true") as url, Worker(ORDER_ENTRY, app="tests.celery_app.probe") as worker:
        Exchange.wait_until(lambda: worker.hostname() in page(url, "/metrics"), "Flower knows the worker")
        with delivered_together(worker, broker, ORDER_ENTRY):
            for client in "ABCDEFG":
                send(publisher, client)
        worker.wait_for_log("clients=A+B+C+D+E+F+G")
        send(publisher, "H")
        Exchange.wait_until(lambda: counted(url, "flower_events_total", "task-succeeded") == 8, "Flower has the tasks")
        assert counted(url, "flower_events_total", "task-received") == 8
        assert counted(url, "flower_task_runtime_seconds_count", "order_entry") == 8
        tasks = json.loads(page(url, "/api/tasks"))
        assert sorted(task["args"] for task in tasks.values()) == [
            "(1 in a batch) and 6 more messages: MSFT 1",
            "(1 in a batch): MSFT 1",
        ]
        assert all(task["state"] == "SUCCESS" and task["received"] for task in tasks.values())
        workers = json.loads(page(url, "/workers?json=1"))["data"]
        assert [(one["task-received"], one["task-succeeded"]) for one in workers if one["status"]] == [(8, 8)]
    assert depth(broker, ORDER_ENTRY) == 0


def page(url: str, path: str) -> str:
    with urllib.request.urlopen(url + path, timeout=30) as answer:
        return str(answer.read().decode())


def counted(url: str, metric: str, label: str) -> float:
    """Return the sum of a metric over the workers, for one value of a label."""
    lines = (
        line for line in page(url, "/metrics").splitlines() if line.startswith(metric + "{") and f'"{label}"' in line
    )
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def test_with_a_password_it_takes_that() -> None:
    with flower(FLOWER_ADDRESS="0.0.0.0", FLOWER_BASIC_AUTH=LOGIN) as url:
        assert status(url, "/workers") == 401
        assert status(url, "/workers", "operator:wrong") == 401
        assert status(url, "/workers", LOGIN) == 200


@pytest.mark.parametrize(
    "variables",
    [
        {"FLOWER_ADDRESS": "0.0.0.0"},
        {"FLOWER_ADDRESS": "::"},
        {"FLOWER_ADDRESS": "192.0.2.1"},
        {"FLOWER_ADDRESS": "flower.example"},
        {"FLOWER_ADDRESS": "0.0.0.0", "FLOWER_PUBLISHED_AT": "0.0.0.0"},
    ],
)
def test_anywhere_else_it_does_not_start_without_a_password(variables: dict[str, str]) -> None:
    process = started(FLOWER_BASIC_AUTH="", **variables)
    _, said = process.communicate(timeout=60)
    address = variables["FLOWER_ADDRESS"]
    assert process.returncode == 1
    assert said.strip() == (
        f"Flower would listen on {address} without a password: set FLOWER_BASIC_AUTH=name:password, "
        f"or let it listen on 127.0.0.1"
    )


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_addresses_are_recognised(address: str) -> None:
    assert refusal(Settings(flower_address=address)) is None


def test_in_a_container_it_counts_where_the_host_publishes_it() -> None:
    assert refusal(Settings(flower_address="0.0.0.0", flower_published_at="127.0.0.1")) is None


@pytest.mark.parametrize("login", ["secret", ":secret", "operator:", "operator:secret,"])
def test_a_login_has_a_name_and_a_password(login: str) -> None:
    process = started(FLOWER_BASIC_AUTH=login)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said.startswith("wrong setting FLOWER_BASIC_AUTH: ")
    assert "secret" not in said
