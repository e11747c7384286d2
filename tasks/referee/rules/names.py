"""Names: of teams, of their accounts, and of the securities of each round."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container
from string import ascii_uppercase

from tasks.referee.rules.case import LONGEST_ID

MAX_TEAM = 40


def is_team_name(name: str) -> bool:
    """Return whether a name consists of 1 to 40 printable characters, not only of spaces."""
    return 1 <= len(name) <= MAX_TEAM and name.isprintable() and not name.isspace()


def folded(name: str) -> str:
    """Return the form of a name used in comparisons: names that look the same to people are equal."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def client_id_of(competition_id: str, number: int, team: str) -> str:
    """Return the account of a team: unique by its number, and readable where the name has Latin letters."""
    plain = unicodedata.normalize("NFKD", team).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:24].rstrip("-")
    return f"{competition_id}.{number}-{slug}" if slug else f"{competition_id}.{number}"


def id_in_round(named: str, number: int, taken: Container[str]) -> str | None:
    """Return the id of a security in a round: its name in the first round, later with the round as a suffix.

    A settled security is never traded again and no id is used twice, so each round has its own ids. None: all taken.
    """
    if number == 1:
        return None if named in taken else named
    for suffix in (f".{number}", *(f".{number}{letter}" for letter in ascii_uppercase)):
        security_id = named[: LONGEST_ID - len(suffix)] + suffix
        if security_id not in taken:
            return security_id
    return None
