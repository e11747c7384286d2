"""The pages of competitions, served like the dashboard: files of this origin with the same content policy."""

from __future__ import annotations

from flask import Blueprint, Response

from api.dashboard.files import read_files
from api.dashboard.routes import served
from api.wire.declaration import declared

CONSOLE, PROJECTOR = "console.html", "projector.html"


class Pages:
    """The files of the pages, read once at the start."""

    def __init__(self) -> None:
        self._files = read_files()

    def answer(self, name: str) -> Response:
        """Return a page, or 304 for a browser that has it already."""
        return served(self._files[name])


def routes(*, pages: Pages) -> Blueprint:
    """Return the routes."""
    blueprint = Blueprint("competition_pages", __name__)

    @blueprint.get("/console")
    @declared("public", "The organiser's page", gives={200: str, 304: str}, media_types=["text/html"])
    def console() -> Response:
        return pages.answer(CONSOLE)

    @blueprint.get("/projector/<competition_id>")
    @declared("public", "A competition's page for the wall", gives={200: str, 304: str}, media_types=["text/html"])
    def projector(competition_id: str) -> Response:  # noqa: ARG001  # the page reads it from its address
        return pages.answer(PROJECTOR)

    return blueprint
