from __future__ import annotations

from functools import partial

from bots.simulated.clock import Clock


def test_actions_run_in_the_order_of_due_time_and_then_of_scheduling() -> None:
    clock, done = Clock(), []
    for name, due_us in (("c", 20), ("a", 10), ("d", 20), ("b", 10)):
        clock.at(due_us, partial(done.append, name))
    clock.run()
    assert done == ["a", "b", "c", "d"]


def test_time_jumps_to_the_next_due_action_and_stops_at_the_limit() -> None:
    clock, seen = Clock(), []
    for due_us in (10, 30, 50):
        clock.at(due_us, lambda: seen.append(clock.now_us))
    clock.run(50)
    assert (seen, clock.now_us) == ([10, 30], 50)
    clock.run()
    assert seen == [10, 30, 50]


def test_an_action_due_in_the_past_runs_now() -> None:
    clock, seen = Clock(), []
    clock.at(10, lambda: clock.at(5, lambda: seen.append(clock.now_us)))
    clock.run()
    assert seen == [10]
