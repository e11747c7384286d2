"""What a mutation is, and how it is applied to a copy of the tree."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Edit(NamedTuple):
    """A text of a file that stands there exactly once, and what takes its place."""

    path: str
    search: str
    replacement: str


class Mutation(NamedTuple):
    """A safeguard taken away.

    name       of the mutation, as a test id
    safeguard  what is missing then, in a sentence
    catchers   tests of which at least one has to fail, as pytest names them
    edits      what changes in the code
    """

    name: str
    safeguard: str
    catchers: tuple[str, ...]
    edits: tuple[Edit, ...]


class NotApplicable(Exception):
    """The text that a mutation replaces is not there exactly once: the mutation has to follow the code."""


def mutated(root: Path, mutation: Mutation) -> dict[Path, str]:
    """The files that a mutation changes, with their new texts.

    raises  NotApplicable
    """
    texts: dict[Path, str] = {}
    for edit in mutation.edits:
        path = root / edit.path
        if not path.is_file():
            raise NotApplicable(f"{mutation.name}: there is no {edit.path}")
        text = texts.get(path) or path.read_text()
        found = text.count(edit.search)
        if found != 1:
            raise NotApplicable(f"{mutation.name}: {edit.path} has this text {found} times:\n{edit.search}")
        texts[path] = text.replace(edit.search, edit.replacement)
    return texts
