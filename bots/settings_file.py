"""Files of settings in TOML: reading them, and naming each fault by its place as a reader finds it in the file."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from pydantic import ValidationError


class UnreadableFile(ValueError):
    """A file is missing, unreadable or not TOML; the message says so in one sentence."""


def content_of(file: Path, *, parse_float: Callable[[str], Any] = float) -> dict[str, Any]:
    """Return the unchecked content of a file. Raises UnreadableFile."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"), parse_float=parse_float)
    except FileNotFoundError:
        raise UnreadableFile(f"{file} does not exist") from None
    except (OSError, UnicodeDecodeError) as fault:
        raise UnreadableFile(f"{file} cannot be read: {fault}") from None
    except tomllib.TOMLDecodeError as fault:
        raise UnreadableFile(f"{file} is not valid TOML: {fault}") from None


def faults_of(error: ValidationError, *, kinds: Collection[str] = ()) -> list[str]:
    """Return each fault with its place, like "securities[3].band: there is no such setting".

    kinds  parts of a place that are not in the file: pydantic inserts the kind of an element
    """
    return [f"{_place(fault['loc'], kinds)}: {_text(fault)}" for fault in error.errors()]


def _place(location: tuple[int | str, ...], kinds: Collection[str]) -> str:
    """Write a place with its tables counted from 1."""
    place = ""
    for part in location:
        if isinstance(part, int):
            place += f"[{part + 1}]"
        elif part not in kinds:
            place += f".{part}" if place else part
    return place or "as a whole"


def _text(fault: Any) -> str:
    if fault["type"] == "extra_forbidden":
        return "there is no such setting"
    return str(fault["msg"]).removeprefix("Value error, ")
