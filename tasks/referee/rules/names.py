"""Names: of teams, of their accounts, and of the securities of each round."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container
from string import ascii_uppercase

from tasks.referee.rules.case import LONGEST_ID

MAX_TEAM = 40


# Characters that Python counts as printable and people cannot see: joiners, fillers, variation selectors, and the empty
# pattern of Braille.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)

# Characters that others can have above and below them; more of them reach into the rows of other teams.
_MOST_MARKS = 3

# Cyrillic, Greek and other characters that look like a Latin letter or a mark.
# source  Unicode Technical Standard 39, confusables.txt; the letters of living alphabets
_LOOKS_LIKE = {
    "A": "АΑ", "B": "ВΒ", "C": "СϹ", "E": "ЕΕ", "G": "Ԍ", "H": "НΗ", "I": "ІΙ", "J": "ЈͿ", "K": "КΚ", "M": "МΜ",
    "N": "Ν", "O": "ОΟ0", "P": "РΡ", "Q": "Ԛ", "S": "Ѕ", "T": "ТΤ", "W": "Ԝ", "X": "ХΧ", "Y": "ҮΥ", "Z": "Ζ",
    "a": "аαɑ", "c": "сϲ", "d": "ԁ", "e": "е", "g": "ɡ", "h": "һ", "i": "іıι", "j": "јϳ", "k": "κ", "l": "ӏƖǀ|1",
    "o": "оο", "p": "рρ", "q": "ԛ", "s": "ѕ", "u": "υ", "v": "ѵν", "w": "ԝ", "x": "хχ", "y": "уү",
    "-": "‐‑‒–—−", "'": "’‘`´",
}  # fmt: skip
_TO_LATIN = {ord(one): latin for latin, others in _LOOKS_LIKE.items() for one in others}


def is_team_name(name: str) -> bool:
    """Return whether a name consists of 1 to 40 printable characters, of which people see at least one."""
    seen = _INVISIBLE.sub("", name).lstrip()
    return 1 <= len(name) <= MAX_TEAM and name.isprintable() and bool(seen) and _has_few_marks(seen)


def _has_few_marks(seen: str) -> bool:
    """Return whether no character carries too many marks, and the name does not begin with one."""
    marks = _MOST_MARKS
    for one in unicodedata.normalize("NFC", seen):
        marks = marks + 1 if unicodedata.category(one) in ("Mn", "Me") else 0
        if marks > _MOST_MARKS:
            return False
    return True


def folded(name: str) -> str:
    """Return the form of a name in which case, width, spaces and invisible characters make no difference."""
    return unicodedata.normalize("NFKC", _plain(name).casefold())


def look_alike(name: str, other: str) -> bool:
    """Return whether people may take one name for the other: equal when folded, or by the look of the letters."""
    return not _looks(name).isdisjoint(_looks(other))


def _plain(name: str) -> str:
    return " ".join(_INVISIBLE.sub("", unicodedata.normalize("NFKC", name)).split())


def _looks(name: str) -> set[str]:
    latin = _plain(name).translate(_TO_LATIN)
    # A capital I looks like a small l, but is an i in other forms of the name.
    return {folded(name), latin.casefold(), folded(name).translate(_TO_LATIN).casefold(), latin.replace("I", "l")}


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
