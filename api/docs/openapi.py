"""Describe the api in an OpenAPI 3.1 document, from the declarations of its routes.

The document uses the shapes that check the requests; each fact has one place. A framework that does this would
bring its own application, its own validation and its own errors. Here pydantic and msgspec generate the schemas, and
this module the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from flask import Flask
from pydantic import TypeAdapter
from werkzeug.routing import Rule

from api.docs.examples import PATHS, examples_of
from api.wire import order_bodies
from api.wire.answers_schema.common import Problem
from api.wire.declaration import JSON as JSON_TYPE
from api.wire.declaration import Declaration, declaration_of
from api.wire.problems import CONTENT_TYPE as PROBLEM_TYPE
from api.wire.schema import ORDER_ID_DIGITS

VERSION = "3.1.0"

_REFERENCE = "#/components/schemas/{model}"
_PLACEHOLDER = re.compile(r"<(?:(?P<converter>\w+):)?(?P<name>\w+)>")

_DESCRIPTION = (
    "Every error is a problem (RFC 9457) of type application/problem+json; its `code` is for programs and keeps its "
    "meaning. Prices and cash are dollars with at most two decimals, numbers or strings of digits; times are RFC 3339 "
    "in UTC. The streams of prices and reports are WebSockets; /asyncapi.json describes them."
)
_SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
_WITH_A_KEY: list[dict[str, list[str]]] = [{"bearer": []}, {"api_key": []}]
_CALLERS = {
    "public": "Needs no key.",
    "client": "Needs a key: a client's for the client's own data, the admin's for all data.",
    "client_write": "Needs a key that is not read-only: a client's for its own data, the admin's for all data.",
    "admin": "Needs the admin's key.",
}

# The subjects that group the operations, in the order of their appearance.
_TAGS = {
    "Orders": "Place, replace and cancel orders; read them, their fills and their way through the exchange.",
    "Reports": "The exchange's reports on orders: confirmations, trades, settlements.",
    "Market data": "Securities, prices, books, trades, candles and the leaderboard; public.",
    "Accounts": "Accounts, keys, cash and shares, statements.",
    "Competitions": "Cases, invitations, standings and pages of competitions among teams.",
    "Clearing": "Netting and corrections, for the admin.",
    "Operations": "Health, metrics and the audit of the running exchange.",
    "About": "This description, and the dashboard.",
}
# The subject of a path, by its first part.
_TAG_OF = {
    "orders": "Orders",
    "fills": "Orders",
    "life": "Orders",
    "reports": "Reports",
    "report": "Reports",
    "status": "Reports",
    "securities": "Market data",
    "price": "Market data",
    "book": "Market data",
    "trades": "Market data",
    "candles": "Market data",
    "auction": "Market data",
    "news": "Market data",
    "leaderboard": "Market data",
    "accounts": "Accounts",
    "balance": "Accounts",
    "holdings": "Accounts",
    "whoami": "Accounts",
    "competitions": "Competitions",
    "join": "Competitions",
    "cases": "Competitions",
    "console": "Competitions",
    "projector": "Competitions",
    "clearing": "Clearing",
    "corrections": "Clearing",
    "health": "Operations",
    "metrics": "Operations",
    "audit": "Operations",
    "": "About",
    "docs": "About",
    "static": "About",
    "openapi.json": "About",
    "asyncapi.json": "About",
}

_PATH_SCHEMAS: Mapping[str, dict[str, Any]] = {
    "order_id": {"type": "integer", "minimum": 1, "maximum": 10**ORDER_ID_DIGITS - 1},
}
_MEANINGS = {
    400: "The request is not valid HTTP, or its body is not JSON",
    401: "The request has no valid key",
    403: "The key does not allow this request",
    404: "The resource does not exist",
    409: "The resource exists already, with other content, or its state does not allow this request",
    413: "The body is too large",
    415: "The body is not application/json",
    422: "The request is not valid; `errors` names the fields",
    429: "Too many requests; `Retry-After` gives the time to wait",
    503: "The api cannot reach a service behind it, or RabbitMQ does not confirm; `Retry-After` gives the time to wait",
}


def describe(app: Flask, *, version: str) -> dict[str, Any]:
    """Return the document of an application; it covers the routes that have a declaration."""
    routes = list(_routes(app))
    types = {id(declared_type): declared_type for _, declaration in routes for declared_type in _types(declaration)}
    types[id(Problem)] = Problem
    # pydantic describes everything but the body of POST /orders.
    del types[id(order_bodies.Body)]
    body_of_orders, requests = order_bodies.json_schemas(_REFERENCE.format(model="{name}"))
    taken = {id(declaration.takes) for _, declaration in routes}
    inputs: list[tuple[int, Any, TypeAdapter[Any]]] = [
        (key, "validation" if key in taken else "serialization", TypeAdapter(declared_type))
        for key, declared_type in types.items()
    ]
    schemas, definitions = TypeAdapter.json_schemas(inputs, ref_template=_REFERENCE)
    by_type = {key: schema for (key, _), schema in schemas.items()}
    by_type[id(order_bodies.Body)] = body_of_orders
    paths: dict[str, dict[str, Any]] = {}
    for rule, declaration in routes:
        path = _PLACEHOLDER.sub(r"{\g<name>}", rule.rule)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            paths.setdefault(path, {})[method.lower()] = _operation(rule, method, declaration, by_type)
    return {
        "openapi": VERSION,
        "info": {"title": "Stock exchange", "version": version, "description": _DESCRIPTION},
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": definitions["$defs"] | requests, "securitySchemes": _SECURITY_SCHEMES},
    }


def _routes(app: Flask) -> Iterator[tuple[Rule, Declaration]]:
    for rule in app.url_map.iter_rules():
        declaration = declaration_of(app, rule)
        if declaration is not None:
            yield rule, declaration


def _types(declaration: Declaration) -> Iterator[Any]:
    if declaration.takes is not None:
        yield declaration.takes
    yield from declaration.gives.values()
    for parameter in declaration.parameters:
        yield parameter.type


def _operation(rule: Rule, method: str, declaration: Declaration, schemas: Mapping[int, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": f"{method.lower()}_{rule.endpoint.replace('.', '_').strip('_')}",
        "summary": declaration.summary,
        "description": _CALLERS[declaration.caller],
        "tags": [_TAG_OF.get(rule.rule.split("/")[1], "Other")],
        "x-caller": declaration.caller,
        "security": [] if declaration.caller == "public" else _WITH_A_KEY,
        "parameters": [*_path_parameters(rule), *_query_parameters(declaration, schemas)],
        "responses": _responses(rule, declaration, schemas),
    }
    if declaration.takes is not None:
        content = {"schema": schemas[id(declaration.takes)], "examples": examples_of(declaration.takes)}
        operation["requestBody"] = {"required": True, "content": {JSON_TYPE: content}}
    return operation


def _path_parameters(rule: Rule) -> Iterator[dict[str, Any]]:
    for placeholder in _PLACEHOLDER.finditer(rule.rule):
        schema = _PATH_SCHEMAS.get(placeholder["converter"], {"type": "string"})
        name = placeholder["name"]
        example = {"example": PATHS[name]} if name in PATHS else {}
        yield {"name": name, "in": "path", "required": True, "schema": schema, **example}


def _query_parameters(declaration: Declaration, schemas: Mapping[int, Any]) -> Iterator[dict[str, Any]]:
    for parameter in declaration.parameters:
        yield {
            "name": parameter.name,
            "in": "query",
            "required": False,
            "description": parameter.meaning,
            "schema": schemas[id(parameter.type)],
        }


def _responses(rule: Rule, declaration: Declaration, schemas: Mapping[int, Any]) -> dict[str, Any]:
    responses = {
        str(status): {
            "description": HTTPStatus(status).phrase,
            "content": {
                media_type: {"schema": schemas[id(form)] if media_type == JSON_TYPE else {"type": "string"}}
                for media_type in declaration.media_types
            },
        }
        for status, form in declaration.gives.items()
    }
    problem = {PROBLEM_TYPE: {"schema": schemas[id(Problem)]}}
    for status in sorted(_refusals(rule, declaration)):
        responses[str(status)] = {"description": _MEANINGS[status], "content": problem}
    return responses


def _refusals(rule: Rule, declaration: Declaration) -> set[int]:
    """Return the statuses of all problems with which a route may answer."""
    found = {400, 429, 503, *declaration.refuses}
    if declaration.caller != "public":
        found |= {401, 403}
    if rule.arguments:
        found.add(404)
    if declaration.parameters:
        found.add(422)
    if declaration.takes is not None:
        found |= {413, 415, 422}
    return found
