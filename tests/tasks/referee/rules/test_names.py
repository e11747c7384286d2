"""Names of teams, accounts and securities."""

from __future__ import annotations

import re

import pytest

from api.wire.schema import CLIENT_ID_PATTERN
from tasks.referee.rules.names import client_id_of, folded, id_in_round, is_team_name, look_alike


@pytest.mark.parametrize(
    "name", ["A", "Blue Birds", "Füchse 🦊", "東京", "<b>", "x" * 40, "นี้ผู้", "हिन्दी", "Nguye\u0302\u0303n"]
)
def test_team_names(name: str) -> None:
    assert is_team_name(name)
    assert re.fullmatch(CLIENT_ID_PATTERN, client_id_of("c0a1b2c3", 1_100, name))


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", "\u3000", "x" * 41, "a\tb", "a\u200bb", "a\u202eb", "\ud800", "\u3164", "\u2800 \ufe0f"),
        # Marks alone, before the first character, or piled up so that they cover other rows.
        *("\u0301", "\u0301a", " \u20dda", "Z\u0336\u0322\u0353\u0315", "a" + "\u0334" * 39),
    ],
)
def test_no_team_names(name: str) -> None:
    assert not is_team_name(name)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("Blue Birds", "\uff22\uff2c\uff35\uff25 birds"),
        ("Blue Birds", "Вlue Вirds"),  # both B are Cyrillic
        ("Blue Birds", "BIue Birds"),  # a capital I
        ("Blue Birds", "Blue\u034f Birds\ufe0f"),
        ("Scope", "ѕсоре"),  # Cyrillic
        ("Team 10", "Team lO"),
        ("Волки", "ВОЛКИ"),
        ("ΑΘΗΝΑ", "AΘHNA"),
        ("Jean-Luc", "Jean\u2013Luc"),
        ("Straße", "STRASSE"),
    ],
)
def test_names_that_look_alike(name: str, other: str) -> None:
    assert look_alike(name, other)
    assert look_alike(other, name)


@pytest.mark.parametrize(
    ("name", "other"), [("Team 1", "Team 2"), ("Mail", "Mall"), ("Füchse", "Fuchse"), ("東京", "京都"), ("Рим", "Мир")]
)
def test_other_names_do_not_look_alike(name: str, other: str) -> None:
    assert not look_alike(name, other)


def test_names_that_people_take_for_the_same_are_the_same() -> None:
    assert folded("Blue  Birds ") == folded("\uff22\uff2c\uff35\uff25 birds") != folded("Bluebirds")


@pytest.mark.parametrize(
    ("named", "number", "taken", "expected"),
    [
        ("ACME", 1, set(), "ACME"),
        ("ACME", 1, {"ACME"}, None),
        ("ACME", 2, {"ACME"}, "ACME.2"),
        ("ACME", 2, {"ACME", "ACME.2"}, "ACME.2A"),
        ("ABCDEFGHIJKL", 2, set(), "ABCDEFGHIJ.2"),
        ("ABCDEFGHIJKL", 10, {"ABCDEFGHI.10"}, "ABCDEFGH.10A"),
    ],
)
def test_each_round_has_its_own_ids(named: str, number: int, taken: set[str], expected: str | None) -> None:
    assert id_in_round(named, number, taken) == expected
