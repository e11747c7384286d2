"""Declarations of routes: the callers that a route admits, the body it takes, and the responses it gives.

The guard in `api.request.auth` enforces them, and `api.docs.openapi` describes the api from them, so that behaviour and
description cannot differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from flask import Flask
from werkzeug.routing import Rule

View = TypeVar("View", bound=Callable[..., Any])

# public: no key needed. client: any key, for the data of its client. client_write: any key that is not read-only.
# admin: the admin's key, and not a read-only one for anything but reading.
Caller = Literal["public", "client", "client_write", "admin"]


JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the query string: its name, its type for pydantic, and its meaning."""

    name: str
    type: Any
    meaning: str


@dataclass(frozen=True, slots=True)
class Declaration:
    """The declaration of a route.

    takes        type of the body, for pydantic; None for a route without a body
    gives        types of the successful responses, by status
    parameters   parameters of the query string
    refuses      statuses of problems besides those that follow from the caller, path, parameters and body
    media_types  media types of the successful responses; any but JSON are text
    """

    caller: Caller
    summary: str
    gives: Mapping[int, Any]
    takes: Any = None
    parameters: Sequence[Parameter] = ()
    refuses: Sequence[int] = ()
    media_types: Sequence[str] = (JSON,)


def declared(
    caller: Caller,
    summary: str,
    *,
    gives: Mapping[int, Any],
    takes: Any = None,
    parameters: Sequence[Parameter] = (),
    refuses: Sequence[int] = (),
    media_types: Sequence[str] = (JSON,),
) -> Callable[[View], View]:
    """Declare a view; the fields are those of Declaration."""

    def declare(view: View) -> View:
        view.declaration = Declaration(caller, summary, gives, takes, parameters, refuses, media_types)  # type: ignore[attr-defined]
        return view

    return declare


def declaration_of(app: Flask, rule: Rule) -> Declaration | None:
    """Return the declaration of a route; None for a route without one."""
    found: Declaration | None = getattr(app.view_functions[rule.endpoint], "declaration", None)
    return found


def callers(app: Flask) -> dict[str, Caller]:
    """Return the callers that each view admits, by endpoint; views without a declaration admit only the admin."""
    declarations = {rule.endpoint: declaration_of(app, rule) for rule in app.url_map.iter_rules()}
    return {endpoint: found.caller if found else "admin" for endpoint, found in declarations.items()}


def parameters(app: Flask) -> dict[str, frozenset[str]]:
    """Return the names of the parameters of each view that answers only in JSON, by endpoint.

    Pages take any parameters: they mean something to the page itself.
    """
    declarations = {rule.endpoint: declaration_of(app, rule) for rule in app.url_map.iter_rules()}
    return {
        endpoint: frozenset(parameter.name for parameter in found.parameters)
        for endpoint, found in declarations.items()
        if found is not None and tuple(found.media_types) == (JSON,)
    }
