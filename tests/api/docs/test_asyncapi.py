"""The description of the streams is an AsyncAPI document, by the schema that AsyncAPI publishes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import jsonschema_rs

from tests.support.web import Api

ASYNCAPI = Path(__file__).parents[2] / "support" / "asyncapi"


def faults(document: dict[str, Any]) -> list[str]:
    schema = (ASYNCAPI / "3.0.0.json").read_bytes()
    listed = dict(reversed(line.split("  ")) for line in (ASYNCAPI / "checksums.sha256").read_text().splitlines())
    assert hashlib.sha256(schema).hexdigest() == listed["3.0.0.json"]
    return [fault.message for fault in jsonschema_rs.validator_for(json.loads(schema)).iter_errors(document)]


def test_the_document_is_valid_and_every_reference_leads_somewhere(api: Api) -> None:
    answer = api.ask("GET", "/asyncapi.json")
    assert answer.headers["Content-Type"] == "application/json"
    document = answer.json()
    assert faults(document) == []
    for reference in _references(document):
        found = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part.replace("~1", "/")]
    document["channels"]["socketio"]["adress"] = "/"
    assert faults(document), "the schema takes anything"


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        here = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return here + [one for inner in value.values() for one in _references(inner)]
    return [one for inner in value for one in _references(inner)] if isinstance(value, list) else []
