"""The files of the pages, read once: every other path is answered with 404, whatever it contains."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "static"
INDEX = "index.html"
DOCS = "docs.html"

# The common part of the heads of all pages, and the line in a page that it replaces.
HEAD = "head.html"
_HEAD_HERE = b"<!-- head.html -->\n"

# Licences and checksums have no suffix, or the suffix of text.
_TEXT = "text/plain; charset=utf-8"
TYPES: Mapping[str, str] = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}


@dataclass(frozen=True, slots=True)
class File:
    """A file as it is served; the tag names its content."""

    content: bytes
    content_type: str
    etag: str


def read_files(folder: Path = FOLDER) -> dict[str, File]:
    """Read all files of a folder, by their paths in it; pages get the common head."""
    head = (folder / HEAD).read_bytes()
    return {
        path.relative_to(folder).as_posix(): _read(path, head)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def _read(path: Path, head: bytes) -> File:
    content = path.read_bytes()
    if path.suffix == ".html":
        content = content.replace(_HEAD_HERE, head, 1)
    return File(content, TYPES.get(path.suffix, _TEXT), hashlib.sha256(content).hexdigest()[:32])
