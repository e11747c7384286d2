"""The workers of a queue in `make status`."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from celery_app.settings import Settings
from deploy.local.commands.status import _workers

AGES_S = {
    "matching.0-11@host": 0.5,
    "matching.0-12@host": 1.0,
    "matching.0-13@host": 60.0,  # was killed
    "matching.1-14@host": 0.5,
    "order_entry-15@host": 0.5,
    "order_entry-16@host": 60.0,
}


@pytest.mark.parametrize(
    ("queue", "consumers", "said"),
    [
        ("matching.0", 1, "1 + 1 standing by"),
        ("matching.0", 2, "2"),  # a RabbitMQ that counts standbys
        ("matching.1", 1, "1"),
        ("matching.2", 0, "0"),
        ("order_entry", 1, "1"),
    ],
)
def test_standbys_are_distinguished_from_the_active_worker(
    tmp_path: Path, queue: str, consumers: int, said: str
) -> None:
    (tmp_path / "alive").mkdir()
    for name, age_s in AGES_S.items():
        file = tmp_path / "alive" / name
        file.touch()
        os.utime(file, (time.time() - age_s,) * 2)
    assert _workers(Settings(run_directory=tmp_path), queue, consumers) == said
