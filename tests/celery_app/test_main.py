"""The short way to start a worker does what Celery's command does, with the modules of its stage alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from kombu import Connection

from celery_app.publisher import Publisher
from celery_app.topology import DEAD_LETTER, ORDER_ENTRY
from db.connect import Database
from tests.celery_app.test_stage import send
from tests.support.broker import depth, take

ROOT = Path(__file__).parents[2]
# Python names the modules that import statements load.
OWN = {"celery.worker.state", "tasks.order_entry.admit"}
OF_OTHERS = {"flower.app", "prompt_toolkit", "redis", "tasks.data_feed.record", "tasks.matching.shard"}


def started(*arguments: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "celery_app", *arguments],
        cwd=ROOT,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_worker_loads_no_more_than_its_stage(
    broker: Connection, clearing_data: Database, publisher: Publisher
) -> None:
    worker = started("worker", "-Q", ORDER_ENTRY, PYTHONPROFILEIMPORTTIME="1")
    try:
        # Order entry denies the order of an unknown client, so only the feed gets a message.
        send(publisher, "A")
        take(broker, "data_feed", 1)
        worker.send_signal(signal.SIGTERM)
        _, log = worker.communicate(timeout=60)
    finally:
        worker.kill()
    assert worker.returncode == 0
    loaded = {line.rpartition("|")[2].strip() for line in log.splitlines() if line.startswith("import time:")}
    assert loaded & (OWN | OF_OTHERS) == OWN
    assert " ready." in log
    assert depth(broker, ORDER_ENTRY) == depth(broker, DEAD_LETTER) == 0


def test_wrong_queues_and_other_commands_are_celerys() -> None:
    worker, report = started("worker", "-Q", "order_enrty"), started("report")
    _, log = worker.communicate(timeout=60)
    assert worker.returncode == 1
    assert "there is no queue order_enrty; -Q takes" in log
    said, _ = report.communicate(timeout=60)
    assert report.returncode == 0
    assert "software -> celery:5.7" in said


@pytest.mark.parametrize("arguments", [("beat",), ("worker", "-Q", ORDER_ENTRY)])
@pytest.mark.parametrize(
    ("variables", "fault"),
    [
        ({"BROKER_URL": "http://user:secret@host"}, "wrong setting BROKER_URL: "),
        ({"FAIL_POINT": "no.such"}, "wrong setting FAIL_POINT: there is no no.such; use one of "),
    ],
)
def test_a_wrong_setting_stops_it_with_one_line(
    arguments: tuple[str, ...], variables: dict[str, str], fault: str
) -> None:
    process = started(*arguments, **variables)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    (line,) = said.splitlines()
    assert line.startswith(fault)
    assert "secret" not in line
