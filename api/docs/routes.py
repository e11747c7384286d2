"""Serve the documents that describe the api to programs: OpenAPI for HTTP, AsyncAPI for the streams."""

from __future__ import annotations

from functools import cache
from typing import Any

from flask import Blueprint, Response, current_app

from api.docs.asyncapi import describe_streams
from api.docs.openapi import describe
from api.wire.answers import encode
from api.wire.answers_schema.common import Document
from api.wire.declaration import JSON, declared
from api.wire.version import VERSION


def routes() -> Blueprint:
    """Return the routes."""
    blueprint = Blueprint("description", __name__)

    @cache
    def document() -> dict[str, Any]:
        return describe(current_app, version=VERSION)

    @cache
    def document_of_the_streams() -> dict[str, Any]:
        return describe_streams(version=VERSION)

    @cache
    def encoded() -> bytes:
        return encode(document())

    @blueprint.get("/openapi.json")
    @declared("public", "This description of the routes, in OpenAPI 3.1", gives={200: Document})
    def openapi() -> Response:
        return Response(encoded(), content_type=JSON)

    @blueprint.get("/asyncapi.json")
    @declared("public", "The description of the streams, in AsyncAPI 3.0", gives={200: Document})
    def asyncapi() -> Response:
        return Response(encode(document_of_the_streams()), content_type=JSON)

    return blueprint
