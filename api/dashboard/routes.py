"""Routes of the page: the page itself at `/`, its files, and the owner of a key."""

from __future__ import annotations

from flask import Blueprint, Response, request

from api.dashboard.files import DOCS, INDEX, TYPES, File, read_files
from api.request.auth import Keys
from api.wire.answers import answer
from api.wire.answers_schema.accounts import WhoAmI
from api.wire.answers_schema.common import Root
from api.wire.declaration import JSON, declared
from api.wire.problems import not_found

# Only files and sockets of this origin are allowed: no inline style or script, no form, no frame around the page.
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Cached but checked on each request, so that an updated exchange shows its new page at once.
    "Cache-Control": "no-cache",
}
_ROOT = {
    "name": "stock exchange",
    "orders": "/orders",
    "securities": "/securities",
    "book": "/book/{security_id}",
    "health": "/health/ready",
    "openapi": "/openapi.json",
    "docs": "/docs",
}
# The icons in the style sheet of Swagger UI are data.
_DOCS = {"Content-Security-Policy": _POLICY.replace("img-src 'self'", "img-src 'self' data:")}
_MEDIA_TYPES = sorted({content_type.partition(";")[0] for content_type in TYPES.values()} | {"text/plain"})


def routes(*, keys: Keys) -> Blueprint:
    """Return the routes."""
    blueprint = Blueprint("dashboard", __name__)
    files = read_files()

    @blueprint.get("/")
    @declared(
        "public",
        "Links to the parts of the api; for browsers, the page",
        gives={200: Root},
        media_types=[JSON, "text/html"],
    )
    def root() -> Response:
        # A program that does not say which type it accepts gets JSON, as before.
        accepted = request.accept_mimetypes
        wants_page = accepted["text/html"] > accepted[JSON]
        response = served(files[INDEX]) if wants_page else answer(_ROOT)
        response.vary.add("Accept")
        return response

    @blueprint.get("/static/<path:name>")
    @declared("public", "A file of the page", gives={200: str, 304: str}, media_types=_MEDIA_TYPES)
    def static(name: str) -> Response:
        file = files.get(name)
        if file is None:
            raise not_found("file")
        return served(file)

    @blueprint.get("/docs")
    @declared(
        "public", "This description, as an interactive page", gives={200: str, 304: str}, media_types=["text/html"]
    )
    def docs() -> Response:
        page = served(files[DOCS])
        page.headers.update(_DOCS)
        return page

    @blueprint.get("/whoami")
    @declared("client", "The owner and the permissions of the key", gives={200: WhoAmI})
    def whoami() -> Response:
        identity = keys.identify()
        return answer(
            {
                "client_id": None if identity.role == "admin" else identity.client_id,
                "role": identity.role,
                "read_only": identity.read_only,
            },
            headers={"Cache-Control": "no-store"},
        )

    return blueprint


def served(file: File) -> Response:
    """Return a file, or 304 for a browser that has it already."""
    response = Response(file.content, headers=_HEADERS, content_type=file.content_type)
    response.set_etag(file.etag)
    response.make_conditional(request)
    return response
