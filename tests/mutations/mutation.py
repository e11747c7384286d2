"""Mutations, and how they change the files of a tree."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Edit(NamedTuple):
    """A text that occurs exactly once in a file, and its replacement."""

    path: str
    search: str
    replacement: str


class Mutation(NamedTuple):
    """The removal of a safeguard.

    name       name of the mutation, and its test id
    safeguard  the missing safeguard, in a sentence
    catchers   tests of which at least one must fail, as pytest names them
    edits      the changes of the code
    """

    name: str
    safeguard: str
    catchers: tuple[str, ...]
    edits: tuple[Edit, ...]


def single(name: str, safeguard: str, catcher: str, path: str, search: str, replacement: str) -> Mutation:
    """Return a mutation of one edit that one test catches."""
    return Mutation(name, safeguard, (catcher,), (Edit(path, search, replacement),))


class NotApplicable(Exception):
    """The text that a mutation replaces does not occur exactly once: the mutation must follow the code."""


def mutated(root: Path, mutation: Mutation) -> dict[Path, str]:
    """Return the files that a mutation changes, with their new texts.

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
