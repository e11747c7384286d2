"""A worker's container has the exit status of its worker, except after a broken invariant: then it stays down."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from celery_app.faults import INVARIANT_BROKEN_STATUS

SCRIPT = Path(__file__).parents[2] / "deploy" / "worker.sh"


@pytest.mark.parametrize(
    ("worker", "status"),
    [
        pytest.param("exit 0", 0, id="a warm stop"),
        pytest.param("exit 3", 3, id="a failure"),
        pytest.param("kill -9 $$", 137, id="killed"),
        pytest.param(f"exit {INVARIANT_BROKEN_STATUS}", 0, id="a broken invariant"),
    ],
)
def test_the_status_of_the_container(worker: str, status: int) -> None:
    assert subprocess.run([SCRIPT, "sh", "-c", worker], check=False, timeout=10).returncode == status


def test_a_stopped_worker_finishes_its_batch() -> None:
    finishing = "trap 'sleep 0.3; echo finished; exit 0' TERM; echo started; while :; do sleep 0.05; done"
    with subprocess.Popen([SCRIPT, "sh", "-c", finishing], stdout=subprocess.PIPE, text=True) as container:
        assert container.stdout
        assert container.stdout.readline() == "started\n"
        container.send_signal(signal.SIGTERM)
        assert container.communicate(timeout=10)[0] == "finished\n"
    assert container.returncode == 0
