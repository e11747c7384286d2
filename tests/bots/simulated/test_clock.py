from __future__ import annotations

from functools import partial

from bots.simulated.clock import Clock


def test_what_is_due_first_is_done_first_and_of_one_time_what_was_put_there_first() -> None:
    clock, done = Clock(), []
    for name, due_us in (("c", 20), ("a", 10), ("d", 20), ("b", 10)):
        clock.at(due_us, partial(done.append, name))
    clock.run()
    assert done == ["a", "b", "c", "d"]


def test_time_jumps_to_what_is_due_and_stops_where_it_is_told() -> None:
    clock, seen = Clock(), []
    for due_us in (10, 30, 50):
        clock.at(due_us, lambda: seen.append(clock.now_us))
    clock.run(50)
    assert (seen, clock.now_us) == ([10, 30], 50)
    clock.run()
    assert seen == [10, 30, 50]


def test_what_is_over_is_due_now() -> None:
    clock, seen = Clock(), []
    clock.at(10, lambda: clock.at(5, lambda: seen.append(clock.now_us)))
    clock.run()
    assert seen == [10]
