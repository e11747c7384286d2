"""The schedule of chaos, the meaning of answers, AMQP's frames, and the clients that send copies."""

from __future__ import annotations

import ast
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice

import pytest

from bench.chaos import verdict
from bench.chaos.proxy import frames_of
from bench.chaos.record import Attempt, Record, SentOrder
from bench.chaos.resenders import Resender
from bench.chaos.schedule import ON_REQUEST, chosen, deck, faults
from bench.chaos.strangers import Flood
from bench.chaos.verdict import ALARMS, COUNTED_EVENTS, decided_id
from deploy.local.places import ROOT

CARDS = deck(["order_entry", "api"], ["api-rabbitmq", "api-postgres"], ["api-rabbitmq"], ["api-postgres"])


def test_a_seed_makes_the_same_schedule() -> None:
    schedules = [list(islice(faults(seed, CARDS), 100)) for seed in (7, 7, 8)]
    assert schedules[0] == schedules[1] != schedules[2]


def test_every_fault_happens_once_before_any_repeats() -> None:
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
def test_answers_determine_the_outcome_of_an_order(
    answers: list[tuple[int, str]], is_accepted: bool, is_open: bool
) -> None:
    sent = SentOrder("A", "a-1", {}, [Attempt(0.0, 0.1, status, code) for status, code in answers])
    assert (sent.is_accepted, sent.is_open) == (is_accepted, is_open)


def frame(kind: int, payload: bytes) -> bytes:
    return bytes([kind]) + b"\0\1" + len(payload).to_bytes(4) + payload + b"\xce"


def test_confirms_are_found_however_frames_are_split() -> None:
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


def test_other_protocols_pass_unchanged() -> None:
    take = frames_of()
    assert [take(part) for part in (b"R\0\0\0", b"anything")] == [[(b"R\0\0\0", False)], [(b"anything", False)]]


def logged_events() -> set[str]:
    """Return the names of all events that the exchange logs."""
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


def test_data_are_lost_on_request_only() -> None:
    by_default = chosen(CARDS, None)
    assert {kind for kind, _ in CARDS} - {kind for kind, _ in by_default} == set(ON_REQUEST)
    assert chosen(CARDS, "all") == CARDS
    assert {kind for kind, _ in chosen(CARDS, "kill, lose data")} == {"kill", "lose data"}
    with pytest.raises(ValueError, match="unknown kinds of faults: flood"):
        chosen(CARDS, "flood")


class Api(ThreadingHTTPServer):
    """Accepts every order, gives each client order id one order id, and counts simultaneous requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.lock = threading.Lock()
        self.asked: Counter[str] = Counter()
        self.ids: dict[str, int] = {}
        self.at_once = self.most_at_once = 0
        self.patience_s = 0.05


class Answer(BaseHTTPRequestHandler):
    """An answer of this api."""

    protocol_version = "HTTP/1.1"
    server: Api

    def do_POST(self) -> None:
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.at_once += 1
            self.server.most_at_once = max(self.server.most_at_once, self.server.at_once)
        time.sleep(self.server.patience_s)
        with self.server.lock:
            self.server.at_once -= 1
            results = [self._place(order) for order in (content if isinstance(content, list) else [content])]
        body = json.dumps({"results": results} if isinstance(content, list) else results[0]).encode()
        self.send_response(202)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _place(self, order: dict[str, str]) -> dict[str, int]:
        name = order["client_order_id"]
        self.server.asked[name] += 1
        return {"order_id": self.server.ids.setdefault(name, len(self.server.ids) + 1)}

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def api() -> Iterator[Api]:
    with Api() as server:
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        yield server
        server.shutdown()
        serving.join()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def test_copies_arrive_together_and_every_answer_is_recorded(api: Api) -> None:
    record = Record()
    client = Resender(api.url, "CHAOS_COPIES_0", "key", seed=1, record=record, started_s=time.monotonic())
    client.start()
    wait_until(lambda: api.most_at_once > 1 and len(api.ids) > 10)
    client.ended.set()
    client.join()
    assert client.failure is None
    sent = {order.client_order_id: order for order in record}
    assert sent.keys() >= api.ids.keys()
    for name, order_id in api.ids.items():
        accepted = [attempt for attempt in sent[name].attempts if attempt.outcome == "accepted"]
        assert {attempt.order_id for attempt in accepted} <= {order_id}
        assert len(sent[name].attempts) == api.asked[name]  # the record includes attempts that the client gave up
    assert max(api.asked.values()) > 1


def test_an_order_is_sent_again_before_its_answer(api: Api) -> None:
    api.patience_s = 1.5  # longer than the client waits
    record = Record()
    client = Resender(api.url, "CHAOS_COPIES_0", "key", seed=2, record=record, started_s=time.monotonic())
    client.start()
    wait_until(lambda: any({"unknown", "accepted"} <= order.outcomes for order in record))
    client.ended.set()
    client.join()


def test_a_stranger_may_not_get_a_500() -> None:
    flood = Flood("http://127.0.0.1:1", seed=1)
    flood.answers.update({"401": 7, "429": 3, "200": 5, "503": 2})
    assert flood.wrong_answers() == []
    flood.answers.update({"500": 1, "202": 2})
    assert flood.wrong_answers() == [
        f"{n} x {said} to requests without a valid key" for n, said in ((1, "500"), (2, "202"))
    ]


class OrderQuery(BaseHTTPRequestHandler):
    """Answers each query for an order with the next of the server's answers, and repeats the last one."""

    answers: tuple[tuple[int, dict[str, object]], ...]
    asked = 0

    def do_GET(self) -> None:
        status, content = self.answers[min(OrderQuery.asked, len(self.answers) - 1)]
        OrderQuery.asked += 1
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


UNKNOWN = (503, {"code": "unknown_outcome"})
UNAVAILABLE = (503, {"code": "unavailable"})
FILLED = (200, {"status": "filled", "order_id": 7})


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ((FILLED,), 7),
        (((404, {"code": "order_not_found"}),), "absent"),
        (((200, {"status": "pending", "order_id": 7}),), "undecided"),
        ((UNKNOWN,), "undecided"),
        ((UNAVAILABLE, UNKNOWN, FILLED), 7),
    ],
)
def test_an_unknown_outcome_is_resolved_by_a_query(
    answers: tuple[tuple[int, dict[str, object]], ...], expected: int | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdict, "_QUERY_S", 1.5)
    monkeypatch.setattr(OrderQuery, "answers", answers, raising=False)
    monkeypatch.setattr(OrderQuery, "asked", 0)
    with ThreadingHTTPServer(("127.0.0.1", 0), OrderQuery) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert decided_id(f"http://127.0.0.1:{server.server_port}", "key", "a-1") == expected
        server.shutdown()
