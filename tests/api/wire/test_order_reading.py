"""Bodies of `POST /orders`: what one pass decodes is what the strict decoder would read, and each fault is named."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from api.orders.intake.rules import message_of
from api.wire import order_reading
from api.wire.json_body import json_of
from api.wire.order_bodies import TYPES, Request
from api.wire.order_reading import requests_in
from api.wire.problems import Problem
from celery_app.settings import settings
from tests.api.conftest import limit

BODIES = 4_000

# JSON literals of each field; the first is valid.
VALUES = {
    "type": ['"limit"', '"x"', "null", '"\\u006cimit"', '"\\ud800"'],
    "security_id": ['"MSFT"', '"M\\u0053FT"', '"a:b"', "5", '"\\ud800"'],
    "side": ['"buy"', '"sell"', '"Buy"', "1"],
    "quantity": ["10", "0", "1000001", "1.0", "1e2", '"1"', "true", "99999999999999999999"],
    "price": ["100.12", '"100.12"', "100", "1e2", "-0.0", "100.123", "1e999999999999", '"1e2"', "[1]", '{"a":1,"a":2}'],
    "stop_price": ["99.5", '"99.50"', "null"],
    "time_in_force": ['"gtc"', '"ioc"', '"gtd"', '"auction"', "null"],
    "expires_at": ['"2030-01-01T00:00:00Z"', '"2030-01-01T00:00:00+01:00"', "null", '"x"'],
    "post_only": ["false", "true", "null", "0"],
    "display_quantity": ["5", "null", "0"],
    "client_order_id": ['"a:b"', '"a\\u003ab"', '""', "null", '"é"', f'"{"x" * 49}"', '"a\\n"'],
    "client_id": ['"SINGLE"', '"SIN\\u0047LE"', "null", '""'],
    "order_id": ["17", "0", str(2**53), "true"],
    "other": ["1"],
    "\\u0073ide": ['"sell"'],
}
NEEDED = {
    "limit": ("security_id", "side", "quantity", "price"),
    "market": ("security_id", "side", "quantity"),
    "stop": ("security_id", "side", "quantity", "stop_price"),
    "stop_limit": ("security_id", "side", "quantity", "stop_price", "price"),
    "cancel": ("security_id", "order_id"),
    "replace": ("security_id", "order_id", "quantity"),
}


def _element(rng: random.Random) -> str:
    kind = rng.choice(list(NEEDED))
    names = [*NEEDED[kind], *rng.choices(list(VALUES), k=rng.choice([0, 0, 1, 2, 3]))]
    members = [("type", f'"{kind}"')]
    members += [(name, VALUES[name][0] if rng.random() < 0.8 else rng.choice(VALUES[name])) for name in names]
    if rng.random() < 0.3:
        rng.shuffle(members)
    colon = rng.choice([":", ": ", " :\n"])
    return "{" + ",".join(f'"{name}"{colon}{literal}' for name, literal in members) + "}"


def _strictly(body: bytes) -> Request | Sequence[Request | Problem]:
    """Read a body as if one pass had never accepted any."""
    content = json_of(body)
    if isinstance(content, list):
        return [order_reading._request_or_problem(element) for element in content]
    return order_reading._request(content)


def _outcome(read: Any, body: bytes) -> Any:
    def of(one: Request | Problem) -> Any:
        if isinstance(one, Problem):
            return one.code, one.errors
        return message_of(one, 1, one.client_id or "SINGLE", 1)

    try:
        found = read(body)
    except Problem as problem:
        return problem.status, problem.code, problem.errors
    return [of(one) for one in found] if isinstance(found, Sequence) else of(found)


def test_one_pass_reads_what_the_strict_decoder_reads() -> None:
    rng = random.Random(1)
    accepted = 0
    for n in range(BODIES):
        elements = [_element(rng) for _ in range(rng.choice([1, 2, 3]))]
        body = (elements[0] if n % 2 else f"[{','.join(elements)}]").encode()
        outcome = _outcome(requests_in, body)
        assert outcome == _outcome(_strictly, body), body
        accepted += isinstance(outcome, msgspec.Struct)
    assert BODIES / 20 < accepted < BODIES / 2  # both good and bad bodies are tried


@pytest.mark.parametrize(
    "members",
    [
        '"quantity":1,"quantity":2',
        '"quantity":1,"quanti\\u0074y":2',
        '"quantity" :1,"quantity" : 2',
        '"quantity":1,"quantity":2,"client_order_id":"a\\u003ab"',
        '"quantity":1,"client_order_id":"a","client_order_id":"b"',
        '"quantity":1,"type":"limit"',
        '"quantity":{"a":1,"a":1}',
    ],
)
@pytest.mark.parametrize("array", [False, True])
def test_no_name_may_be_repeated(members: str, array: bool) -> None:
    order = '{"type":"limit","security_id":"MSFT","side":"buy","price":1,' + members + "}"
    body = f"[{json.dumps(limit())},{order}]" if array else order
    with pytest.raises(Problem) as raised:
        requests_in(body.encode())
    assert (raised.value.status, raised.value.code) == (400, "not_json")
    assert raised.value.detail == "an object has the same name twice"


def test_every_fault_is_named_and_says_what_is_allowed() -> None:
    most = settings().max_order_quantity
    order = limit(side="Buy", quantity=0, price="abc", post_only=1, client_order_id="", security_id=..., sort=1)
    with pytest.raises(Problem) as raised:
        requests_in(json.dumps(order).encode())
    assert [(error["pointer"], error["detail"]) for error in raised.value.errors] == [
        ("/security_id", "is required"),
        ("/side", "must be one of buy, sell"),
        ("/quantity", f"must be an integer from 1 to {most:,}"),
        ("/price", "must be a number, or a string with the digits of a number"),
        ("/post_only", "must be true or false"),
        ("/client_order_id", "must have 1 to 48 characters of A-Z, a-z, 0-9 and ._:-"),
        ("/sort", f"is not a field of this type, which has {', '.join(TYPES['limit'].__struct_fields__)}"),
    ]
    for body, code in ((limit(price=0.001), "price_off_tick"), (limit(price=1e9), "price_out_of_band")):
        with pytest.raises(Problem) as raised:
            requests_in(json.dumps(body).encode())
        assert raised.value.code == code
