"""The benchmark counts the processes of its own exchange and no others."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.target.cpu import listeners, part_of

LISTEN = """
import socket
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
input()
"""
WAIT = "print('ready', flush=True); input()"


@contextmanager
def process(code: str, *words: str, run_directory: Path) -> Iterator[tuple[int, str]]:
    """A process with these words on its command line; gives its number and the first line it prints."""
    with subprocess.Popen(
        [sys.executable, "-c", code, *words],
        env={"RUN_DIRECTORY": str(run_directory)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        try:
            yield running.pid, running.stdout.readline().strip()
        finally:
            running.communicate("\n")


def test_a_server_is_found_by_its_port(tmp_path: Path) -> None:
    with (
        process(LISTEN, run_directory=tmp_path) as (pid, port),
        process(LISTEN, run_directory=tmp_path) as (other_pid, other_port),
    ):
        assert listeners(int(port)) == {pid}
        assert listeners(int(other_port)) == {other_pid}
    assert listeners(int(port)) == set()


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["-m", "api"], "api"),
        (["-m", "api.streams"], "streams"),
        (["-m", "deploy.flower"], "flower"),
        (["-m", "tasks.catch_up"], "catch_up"),
        (["-m", "bots", "flood"], "bots"),
        (["-m", "celery", "-A", "celery_app", "worker", "-Q", "matching.0"], "matching.0"),
        (["-m", "celery_app", "worker", "-Q", "matching.0"], "matching.0"),
        (["-m", "bench", "--own"], None),
        (["anything"], None),
    ],
)
def test_a_process_is_a_part_of_the_exchange_in_its_run_directory(
    words: Sequence[str], part: str | None, tmp_path: Path
) -> None:
    with process(WAIT, *words, run_directory=tmp_path) as (pid, _):
        assert part_of(pid, tmp_path) == part
        assert part_of(pid, tmp_path / "another") is None
