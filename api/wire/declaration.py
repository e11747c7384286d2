"""What each route says of itself: who may call it, what it takes and what it answers.

The guard in `api.request.auth` holds callers to it, and `api.docs.openapi` describes the api from it; so what is said
here is what is done, and what is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from flask import Flask
from werkzeug.routing import Rule

View = TypeVar("View", bound=Callable[..., Any])

# public: anybody. client: any key, for what is its client's. client_write: any key that may do more than read.
# admin: the admin's key, and for anything but reading one that may do more than that.
Caller = Literal["public", "client", "client_write", "admin"]


JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the query string: its name, its type as pydantic knows it, and what it means."""

    name: str
    type: Any
    meaning: str


@dataclass(frozen=True, slots=True)
class Declaration:
    """What is said of a route.

    takes        type of the body, as pydantic knows it; None when there is none
    gives        types of the answers that are no problems, by status
    parameters   of the query string
    refuses      statuses of problems beside those that come with the caller, the path, the parameters and the body
    media_types  of the answers that are no problems; the type of what is not JSON is text
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
    """What a route says of itself; None when it says nothing."""
    found: Declaration | None = getattr(app.view_functions[rule.endpoint], "declaration", None)
    return found


def callers(app: Flask) -> dict[str, Caller]:
    """Who may call the views of an application, by endpoint; what says nothing is the admin's."""
    declarations = {rule.endpoint: declaration_of(app, rule) for rule in app.url_map.iter_rules()}
    return {endpoint: found.caller if found else "admin" for endpoint, found in declarations.items()}
