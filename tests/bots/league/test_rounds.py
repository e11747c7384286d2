"""The process that watches the matches of a tournament ends one that hangs, and no other."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from bots.league import rounds
from bots.league.rounds import Rounds
from bots.league.sandbox.patience import Patience
from deploy.local.supervisor import wait_until


def test_a_match_that_says_much_does_not_use_up_the_patience_with_another(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[str] = []

    def a_match(name: str) -> Any:
        process = SimpleNamespace(pid=os.getpid(), kill=lambda: killed.append(name))
        connection = Mock(recv=lambda: ("at", 1.0))
        return rounds._Round(1, process, connection, SimpleNamespace(value=5), None)  # type: ignore[arg-type]

    playing, talking = a_match("playing"), a_match("talking")
    monkeypatch.setattr(rounds, "wait", lambda _, timeout: [talking.connection])
    monkeypatch.setattr(rounds, "PATIENCE_S", 3.0)
    watched = Rounds(SimpleNamespace(), (), SimpleNamespace(), 2, lambda *_: None)  # type: ignore[arg-type]
    watched._under_way = [playing, talking]
    for _ in range(1_000):
        assert list(watched._look()) == []
    assert killed == []
    assert playing.patience.counted_s < 1.0


@pytest.fixture(params=["sleep(600)", "exec('while True: pass')"])
def hanging(request: pytest.FixtureRequest) -> Iterator[int]:
    program = f"from time import sleep; print(flush=True); {request.param}"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


def test_a_process_that_sleeps_or_computes_is_to_blame(hanging: int) -> None:
    patience = Patience()

    def is_to_blame() -> bool:
        patience.look(hanging, 0.001)
        return patience.counted_s >= 0.01

    wait_until(is_to_blame, 60, "the process was not blamed")


def test_a_process_that_has_ended_is_to_blame() -> None:
    patience = Patience()
    patience.look(None, 0.5)
    assert patience.counted_s == 0.5


def test_a_process_that_could_compute_and_does_not_get_the_processor_is_not_to_blame() -> None:
    patience = Patience()
    patience.look(os.getpid(), 10.0)
    patience.renew()
    patience.look(os.getpid(), 10.0)  # it runs, and has used far less than a quarter of these 10 s
    assert patience.counted_s == pytest.approx(0.5)
    patience.renew()
    assert patience.counted_s == 0.0
