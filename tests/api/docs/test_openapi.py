"""The description of the routes: an example for every request, and a subject for every route."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from celery_app.settings import Settings
from tests.api.conftest import Keys
from tests.support.web import Api

JSON = "application/json"
DEFAULTS = {name: field.default for name, field in Settings.model_fields.items()}


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


@pytest.fixture
def document(api: Api) -> dict[str, Any]:
    found: dict[str, Any] = api.ask("GET", "/openapi.json").json()
    return found


def test_every_operation_has_one_subject_of_those_that_are_described(document: dict[str, Any]) -> None:
    subjects = {tag["name"] for tag in document["tags"]}
    assert all(tag["description"] for tag in document["tags"])
    for name, operation in operations(document):
        assert len(operation["tags"]) == 1, name
        assert set(operation["tags"]) <= subjects, f"{name}: give its path a tag in the document's _TAG_OF"
    assert {operation["tags"][0] for _, operation in operations(document)} == subjects


def test_every_request_has_an_example_that_its_schema_takes(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        for parameter in operation["parameters"]:
            assert "example" in parameter or parameter["in"] != "path", f"{name}: no example of {parameter['name']}"
        if "requestBody" not in operation:
            continue
        content = operation["requestBody"]["content"][JSON]
        assert content["examples"], f"{name}: no example of its body"
        schema = {**content["schema"], "components": document["components"]}
        validator = jsonschema_rs.validator_for(schema)
        for example in content["examples"].values():
            assert not list(validator.iter_errors(example["value"])), f"{name}: {example}"


def test_limits_are_those_of_the_contract(document: dict[str, Any]) -> None:
    shapes = document["components"]["schemas"]
    quantity = {"type": "integer", "minimum": 1, "maximum": DEFAULTS["max_order_quantity"]}
    names = {"LimitOrder", "MarketOrder", "StopOrder", "StopLimitOrder", "Cancel", "Replace"}
    assert names <= shapes.keys()
    for name in names - {"Cancel"}:
        found = shapes[name]["properties"]["quantity"]
        assert quantity in (found, *found.get("anyOf", ()))
    for name in names:
        assert shapes[name]["additionalProperties"] is False
    body = document["paths"]["/orders"]["post"]["requestBody"]["content"][JSON]["schema"]
    (many,) = (one for one in body["anyOf"] if one.get("type") == "array")
    assert (many["minItems"], many["maxItems"]) == (1, DEFAULTS["max_request_orders"])
    assert shapes["LimitOrder"]["properties"]["time_in_force"]["default"] == "gtc"
    assert shapes["MarketOrder"]["properties"]["post_only"] == {"type": "boolean", "const": False, "default": False}


def test_the_examples_of_new_orders_are_accepted(api: Api, keys: Keys, document: dict[str, Any]) -> None:
    examples = document["paths"]["/orders"]["post"]["requestBody"]["content"][JSON]["examples"]
    new = {name: example["value"] for name, example in examples.items() if name not in {"replace", "cancel"}}
    assert len(new) >= 6
    for name, body in new.items():
        answer = api.ask("POST", "/orders", key=keys.single, json=body)
        assert answer.status_code == 202, (name, answer.text)
        assert all(result["status"] == "success" for result in answer.json().get("results", [answer.json()])), (
            answer.text
        )
