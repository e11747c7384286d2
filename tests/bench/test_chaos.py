"""The parts of chaos that decide what is true: the schedule, what an answer says, and AMQP's frames."""

from __future__ import annotations

import ast
from itertools import islice

import pytest

from bench.chaos.proxy import frames_of
from bench.chaos.record import Attempt, Sent
from bench.chaos.schedule import deck, faults
from bench.chaos.verdict import ALARMS, COUNTED_EVENTS
from deploy.local.places import ROOT

CARDS = deck(["order_entry", "api"], ["api-rabbitmq", "api-postgres"], ["api-rabbitmq"], ["api-postgres"])


def test_a_seed_makes_the_same_schedule() -> None:
    schedules = [list(islice(faults(seed, CARDS), 100)) for seed in (7, 7, 8)]
    assert schedules[0] == schedules[1] != schedules[2]


def test_all_that_can_happen_happens_once_before_anything_again() -> None:
    dealt = list(islice(faults(1, CARDS), 2 * len(CARDS)))
    for half in (dealt[: len(CARDS)], dealt[len(CARDS) :]):
        assert sorted((fault.kind, fault.target) for fault in half) == sorted(CARDS)


@pytest.mark.parametrize(
    ("answers", "is_accepted", "is_open"),
    [
        ([(202, "")], True, False),
        ([(503, "not_accepted")], False, False),
        ([(503, "unavailable")], False, False),
        ([(503, "unknown_outcome")], False, True),
        ([(0, "RemoteDisconnected")], False, True),
        ([(503, "unknown_outcome"), (503, "not_accepted")], False, True),
        ([(0, "TimeoutError"), (200, "")], True, False),
        ([(422, "validation_error")], False, False),
    ],
)
def test_what_answers_say_of_an_order(answers: list[tuple[int, str]], is_accepted: bool, is_open: bool) -> None:
    sent = Sent("A", "a-1", {}, [Attempt(0.0, 0.1, status, code) for status, code in answers])
    assert (sent.is_accepted, sent.is_open) == (is_accepted, is_open)


def frame(kind: int, payload: bytes) -> bytes:
    return bytes([kind]) + b"\0\1" + len(payload).to_bytes(4) + payload + b"\xce"


def test_confirms_are_found_among_the_frames_however_they_are_split() -> None:
    ack, delivery, body = (
        frame(1, b"\0\x3c\0\x50" + bytes(9)),
        frame(1, b"\0\x3c\0\x3c" + b"d" * 20),
        frame(3, b"\0\x3c\0\x50 in a body"),
    )
    start = b"\x01\0\0" + (4).to_bytes(4) + b"\0\x0a\0\x0a\xce"
    stream = start + delivery + ack + body + ack
    for size in (1, 2, 7, 13, len(stream)):
        take = frames_of()
        found = [one for at in range(0, len(stream), size) for one in take(stream[at : at + size])]
        assert b"".join(part for part, _ in found) == stream
        assert [part for part, is_confirm in found if is_confirm] == [ack, ack]


def test_what_is_no_amqp_passes_as_it_is() -> None:
    take = frames_of()
    assert [take(part) for part in (b"R\0\0\0", b"anything")] == [[(b"R\0\0\0", False)], [(b"anything", False)]]


def logged_events() -> set[str]:
    """The names of all events that the exchange logs."""
    modules = [file for folder in ("celery_app", "tasks", "api", "db") for file in (ROOT / folder).rglob("*.py")]
    calls = [node for file in modules for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
    return {
        call.args[0].value
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == "log"
        and call.args
        and isinstance(call.args[0], ast.Constant)
    }


@pytest.mark.parametrize("event", [*COUNTED_EVENTS, *ALARMS])
def test_every_event_that_the_verdict_looks_for_is_logged_by_the_exchange(event: str) -> None:
    assert event in logged_events()
