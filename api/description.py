"""Routes of the api's own description: for programs, and as a page for people."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, current_app, render_template

from api.answers import encode
from api.answers_schema import Document
from api.declaration import JSON, declared
from api.openapi import describe

_STYLE = (Path(__file__).parent / "templates" / "docs.css").read_text()
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
# The page is text and this style: it loads nothing, runs nothing and sends nothing.
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def routes() -> Blueprint:
    """The routes."""
    blueprint = Blueprint("description", __name__)

    @cache
    def document() -> dict[str, Any]:
        return describe(current_app, version=_version())

    @cache
    def page() -> str:
        described = document()
        return render_template(
            "docs.html", document=described, by_tag=_by_tag(described["paths"]), style=_STYLE, form=_form
        )

    @cache
    def encoded() -> bytes:
        return encode(document())

    @blueprint.get("/openapi.json")
    @declared("public", "This description, as OpenAPI 3.1", gives={200: Document})
    def openapi() -> Response:
        return Response(encoded(), content_type=JSON)

    @blueprint.get("/docs")
    @declared("public", "This description, as a page", gives={200: str}, media_types=["text/html"])
    def docs() -> Response:
        return Response(page(), headers={"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff"})

    return blueprint


def _version() -> str:
    try:
        return version("stock-exchange")
    except PackageNotFoundError:  # run from a clone, where nothing is installed
        return "0.1.0"


def _by_tag(paths: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, list[tuple[str, str, Any]]]]:
    """Each tag with its operations, as method, path and operation."""
    found: dict[str, list[tuple[str, str, Any]]] = {}
    for path, operations in paths.items():
        for method, operation in operations.items():
            found.setdefault(operation["tags"][0], []).append((method, path, operation))
    return list(found.items())


def _form(schema: dict[str, Any]) -> list[tuple[str, str | None]]:
    """A schema in few words: pieces of text, with the name of the component that each leads to, if any."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return [(name, name)]
    for several in ("anyOf", "oneOf"):
        if several in schema:
            pieces: list[tuple[str, str | None]] = []
            for one in schema[several]:
                pieces += [(" or ", None), *_form(one)]
            return pieces[1:]
    if "const" in schema:
        return [(f'"{schema["const"]}"' if isinstance(schema["const"], str) else str(schema["const"]).lower(), None)]
    if "enum" in schema:
        return [(" | ".join(map(str, schema["enum"])), None)]
    if "prefixItems" in schema:
        inner = [piece for item in schema["prefixItems"] for piece in ((", ", None), *_form(item))]
        return [("[", None), *inner[1:], ("]", None)]
    if schema.get("type") == "array":
        return [("array of ", None), *_form(schema.get("items", {}))]
    return [(" ".join([schema.get("type", "anything"), *_bounds(schema)]), None)]


def _bounds(schema: dict[str, Any]) -> list[str]:
    least, most = schema.get("minimum"), schema.get("maximum", schema.get("exclusiveMaximum"))
    found = [f"from {least:,}"] if least is not None else []
    found += [f"to {most:,}"] if most is not None else []
    return found + [text for name in ("pattern", "format") if (text := schema.get(name))]
