"""The client repeats exactly the requests without a clear answer, and waits as long as a loaded exchange asks."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from decimal import Decimal
from threading import Thread
from typing import Any

import pytest
from werkzeug import Request, Response
from werkzeug.serving import make_server

from bots.client import Client
from bots.contract import Accepted, CancelOrder, LimitOrder, MarketOrder
from bots.errors import Problem, Unavailable

BUY = LimitOrder(security_id="MSFT", side="buy", quantity=10, price=Decimal("100.10"))

# How soon a server sees that it is to stop; by default half a second.
STOPS_WITHIN_S = 0.02


class ScriptedExchange:
    """Answers requests from the test's list, in turn; None closes the connection without an answer."""

    def __init__(self) -> None:
        self.answers: list[Response | None] = []
        self.requests: list[tuple[str, Any]] = []
        self.authorizations: list[str | None] = []
        self.server = make_server("127.0.0.1", 0, self, threaded=True)
        self.url = f"http://127.0.0.1:{self.server.port}"

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        request = Request(environ)
        self.requests.append((f"{request.method} {request.full_path.rstrip('?')}", request.get_data()))
        self.authorizations.append(request.headers.get("Authorization"))
        answer = self.answers.pop(0)
        if answer is None:
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            return []
        return answer(environ, start_response)

    def bodies(self) -> list[Any]:
        return [json.loads(body) for _, body in self.requests]


@pytest.fixture
def exchange() -> Iterator[ScriptedExchange]:
    scripted = ScriptedExchange()
    thread = Thread(target=scripted.server.serve_forever, args=[STOPS_WITHIN_S], daemon=True)
    thread.start()
    yield scripted
    scripted.server.shutdown()
    thread.join()


@pytest.fixture
def client(exchange: ScriptedExchange) -> Client:
    return Client(exchange.url, "the-key", patience_s=5.0, timeout_s=2.0)


def answer(status: int, content: object, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(json.dumps(content), status=status, headers=named, content_type="application/json")


def accepted(order_id: int = 17, **more: object) -> Response:
    return answer(202, {"status": "success", "order_id": order_id, "message": "order submitted", **more})


def problem(status: int, code: str, **headers: str) -> Response:
    content = {"type": "about:blank", "title": "no", "status": status, "detail": "no", "code": code, "errors": []}
    return answer(status, content, **headers)


def test_an_order_is_sent_in_the_form_of_the_contract(exchange: ScriptedExchange, client: Client) -> None:
    exchange.answers = [accepted(client_order_id="my-1")]

    placed = client.place(
        LimitOrder(security_id="MSFT", side="buy", quantity=10, price=Decimal("100.10"), client_order_id="my-1")
    )

    assert placed == Accepted(order_id=17, client_order_id="my-1")
    assert exchange.requests[0][0] == "POST /orders"
    assert exchange.authorizations == ["Bearer the-key"]
    assert exchange.bodies() == [
        {
            "type": "limit",
            "security_id": "MSFT",
            "side": "buy",
            "quantity": 10,
            "price": "100.10",
            "client_order_id": "my-1",
        }
    ]


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(None, id="hang-up"),
        pytest.param(problem(503, "unknown_outcome"), id="unknown outcome"),
        pytest.param(problem(503, "not_accepted"), id="not accepted"),
        pytest.param(problem(429, "too_many_requests"), id="too many"),
        pytest.param(Response("<h1>Bad gateway</h1>", status=502), id="not the exchange"),
    ],
)
def test_a_request_without_a_clear_answer_is_repeated_under_the_same_id(
    exchange: ScriptedExchange, client: Client, first: Response | None
) -> None:
    exchange.answers = [first, answer(200, {"status": "success", "order_id": 17, "duplicate": True})]

    placed = client.place(BUY)

    assert placed.order_id == 17
    assert placed.duplicate
    one, two = exchange.bodies()
    assert one == two
    assert one["client_order_id"]


def test_two_orders_have_two_ids(exchange: ScriptedExchange, client: Client) -> None:
    exchange.answers = [accepted(1), accepted(2)]
    client.place(BUY)
    client.place(BUY)
    one, two = exchange.bodies()
    assert one["client_order_id"] != two["client_order_id"]


def test_a_problem_is_raised_with_its_code_and_not_repeated(exchange: ScriptedExchange, client: Client) -> None:
    exchange.answers = [problem(422, "price_off_tick")]
    with pytest.raises(Problem, match="price_off_tick") as raised:
        client.place(BUY)
    assert (raised.value.status, raised.value.code) == (422, "price_off_tick")
    assert len(exchange.requests) == 1


def test_the_client_waits_as_long_as_retry_after_says(exchange: ScriptedExchange, client: Client) -> None:
    exchange.answers = [problem(429, "too_many_requests", Retry_After="1"), accepted()]
    started_s = time.monotonic()
    client.place(BUY)
    assert time.monotonic() - started_s >= 1.0


def test_a_wait_longer_than_the_patience_raises_at_once(exchange: ScriptedExchange, client: Client) -> None:
    exchange.answers = [problem(503, "not_accepted", Retry_After="60")]
    with pytest.raises(Unavailable, match="not_accepted") as raised:
        client.place(BUY)
    assert raised.value.retry_after_s == 60


@pytest.mark.parametrize(
    ("answers", "unknown"),
    [
        ([problem(429, "rate_limited", Retry_After="60")], False),
        ([problem(503, "not_accepted", Retry_After="60")], False),
        ([problem(503, "unavailable", Retry_After="60")], False),
        ([problem(503, "unknown_outcome", Retry_After="60")], True),
        ([Response("Bad Gateway", 502, {"Retry-After": "60"})], True),
        ([None, problem(503, "not_accepted", Retry_After="60")], True),
    ],
    ids=["429", "not accepted", "unavailable", "unknown", "a proxy's", "not the first"],
)
def test_it_is_known_whether_an_order_may_have_been_accepted(
    exchange: ScriptedExchange, client: Client, answers: list[Response | None], unknown: bool
) -> None:
    exchange.answers = answers
    with pytest.raises(Unavailable) as raised:
        client.place(BUY)
    assert raised.value.outcome_unknown is unknown


def test_a_missing_exchange_is_unavailable() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # and does not listen
        client = Client(f"http://127.0.0.1:{reserved.getsockname()[1]}", patience_s=0.3)
        with pytest.raises(Unavailable, match="does not answer"):
            client.price("MSFT")


def test_an_array_has_an_answer_for_each(exchange: ScriptedExchange, client: Client) -> None:
    refusal = {"type": "about:blank", "title": "no", "status": 422, "detail": "no", "code": "unknown_security"}
    exchange.answers = [
        problem(503, "unknown_outcome"),
        answer(202, {"status": "success", "results": [{"status": "success", "order_id": 5}, refusal]}),
    ]
    batch = [MarketOrder(security_id="MSFT", side="sell", quantity=1), CancelOrder(security_id="X", order_id=3)]

    first, second = client.place_all(batch)

    assert first == Accepted(order_id=5)
    assert isinstance(second, Problem)
    assert second.code == "unknown_security"
    one, two = exchange.bodies()
    assert one == two
    assert one[0]["client_order_id"]
    assert one[1] == {"type": "cancel", "security_id": "X", "order_id": 3}


def test_prices_are_the_digits_that_were_sent(exchange: ScriptedExchange, client: Client) -> None:
    content = '{"security_id": "MSFT", "bid": 0.1, "ask": 99999999.07, "last": null, "timestamp": null, "new": 1}'
    exchange.answers = [Response(content, content_type="application/json")]
    price = client.price("MSFT")
    assert (price.bid, price.ask, price.last) == (Decimal("0.1"), Decimal("99999999.07"), None)


def test_open_orders_are_read_page_by_page(exchange: ScriptedExchange, client: Client) -> None:
    def order(order_id: int) -> dict[str, object]:
        return {
            "order_id": order_id,
            "client_id": "A",
            "security_id": "MSFT",
            "type": "limit",
            "side": "buy",
            "quantity": 5,
            "filled_quantity": 2,
            "status": "partially_filled",
            "price": 100.12,
        }

    exchange.answers = [
        answer(200, {"data": [order(3), order(2)], "next_cursor": "c&1"}),
        answer(200, {"data": [order(1)], "next_cursor": None}),
    ]
    found = client.open_orders("MSFT")
    assert [(state.order_id, state.open_quantity) for state in found] == [(3, 3), (2, 3), (1, 3)]
    assert exchange.requests[1][0] == "GET /orders?status=open&security_id=MSFT&limit=1000&cursor=c%261"
