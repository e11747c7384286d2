from __future__ import annotations

import sys
from contextlib import suppress
from threading import Thread

import pytest

from bots.simulated.watch import CallbackTimeout, Watch


def loop() -> None:
    while True:
        pass


def loop_that_catches_all() -> None:
    while True:
        with suppress(BaseException):
            loop()


def loop_that_ends_in_a_loop() -> None:
    try:
        loop()
    finally:
        loop()


@pytest.mark.parametrize("callback", [loop, loop_that_catches_all, loop_that_ends_in_a_loop])
def test_an_endless_callback_is_interrupted_whatever_it_catches(callback) -> None:
    watch = Watch(0.06)
    with watch.watching():
        with pytest.raises(CallbackTimeout):
            watch.call(1, callback)
        assert sys.gettrace() is None
        done = []
        watch.call(1, done.append, 1)
        assert done == [1]


def test_many_short_callbacks_are_not_interrupted() -> None:
    watch, done = Watch(0.01), 0
    with watch.watching():
        while done < 200_000:
            watch.call(1, int)
            done += 1


def test_in_another_thread_the_watch_does_nothing() -> None:
    done: list[int] = []

    def run() -> None:
        watch = Watch(0.01)
        with watch.watching():
            watch.call(1, done.append, 1)

    thread = Thread(target=run)
    thread.start()
    thread.join()
    assert done == [1]
