"""A copy of the process does its work, and inherits neither connections nor signal handlers."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.matching.fork import Fork


def ended(fork: Fork, *, timeout_s: float = 60.0) -> bool:
    """Wait for the end of the copy; return whether it has succeeded."""
    deadline = time.monotonic() + timeout_s
    while not fork.has_ended():
        assert time.monotonic() < deadline, "the copy goes on and on"
        time.sleep(0.01)
    return fork.succeeded


def fail() -> None:
    raise ValueError("cannot be done")


def end() -> None:
    raise SystemExit(0)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_the_work_sees_memory_as_it_was(tmp_path: Path) -> None:
    numbers = [1, 2]
    fork = Fork(lambda: (tmp_path / "sum").write_text(str(sum(numbers))) and None)
    numbers.append(3)
    assert ended(fork)
    assert (tmp_path / "sum").read_text() == "3"


@pytest.mark.parametrize("work", [fail, end, die])
def test_incomplete_work_has_failed(work: Callable[[], None]) -> None:
    assert not ended(Fork(work))


def test_a_copy_can_be_killed() -> None:
    fork = Fork(lambda: time.sleep(1_000))
    assert not fork.has_ended()
    fork.kill()
    assert fork.has_ended()
    assert not fork.succeeded


def test_a_copy_keeps_no_connection_of_the_process_open() -> None:
    ours, theirs = socket.socketpair()
    fork = Fork(lambda: time.sleep(1_000))
    ours.close()
    theirs.settimeout(20)
    assert theirs.recv(1) == b"", "the other side sees that the process is gone"
    fork.kill()
    theirs.close()


def test_a_copy_does_not_inherit_the_workers_signal_handlers() -> None:
    stopped: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: stopped.append(number))
    try:
        reader, writer = os.pipe()
        fork = Fork(lambda: time.sleep(1_000))
        os.close(writer)
        os.read(reader, 1)  # returns when the copy has closed its end, and by then the handlers are gone
        os.close(reader)
        os.kill(fork.pid, signal.SIGTERM)
        assert not ended(fork)
        assert stopped == []
    finally:
        signal.signal(signal.SIGTERM, before)
