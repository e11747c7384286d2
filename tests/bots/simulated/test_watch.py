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
def test_what_never_ends_is_interrupted_however_it_defends_itself(callback) -> None:
    watch = Watch(0.06)
    with watch.watching():
        with pytest.raises(CallbackTimeout):
            watch.call(1, callback)
        assert sys.gettrace() is None
        done = []
        watch.call(1, done.append, 1)
        assert done == [1]


def test_many_short_callbacks_are_no_long_one() -> None:
    watch, done = Watch(0.01), 0
    with watch.watching():
        while done < 200_000:
            watch.call(1, int)
            done += 1


def test_in_another_thread_nobody_watches_and_everything_works() -> None:
    done: list[int] = []

    def run() -> None:
        watch = Watch(0.01)
        with watch.watching():
            watch.call(1, done.append, 1)

    thread = Thread(target=run)
    thread.start()
    thread.join()
    assert done == [1]
