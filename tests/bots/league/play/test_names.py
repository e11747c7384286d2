"""Names of strangers: none looks like another bot's."""

from __future__ import annotations

import pytest

from bots.league.play.names import distinct_names, look, own_name


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("My Bot 2", "My Bot 2"),
        ("x" * 60, "x" * 40),
        ("\u0456nformed", ""),  # the Cyrillic letter
        ("informe\u0501", ""),
        ("in\u200bformed", ""),  # a space of no width
        ("\uff49nformed", ""),  # the full-width letter
        ("informed\u202e", ""),  # text from here on runs to the left
        ("a\nb", ""),
        ("   ", ""),
    ],
)
def test_a_strangers_own_name_is_printable_ascii(name: str, own: str) -> None:
    assert own_name(name) == own


@pytest.mark.parametrize(
    "name", ["Informed", "lnformed", "1NFORMED", "inf0rmed", "in formed", "infor_med", "inforrned"]
)
def test_names_that_one_reads_for_another_look_the_same(name: str) -> None:
    assert look(name) == look("informed")
    assert look(name) != look("uninformed")


def test_a_stranger_that_looks_like_another_gets_another_name() -> None:
    names = [("informed", False), ("lnf0rmed", True), ("Blue", True), ("b1ue", True), ("Gauß", False), ("Green", True)]
    assert distinct_names(names) == ["informed", "lnf0rmed (stranger)", "Blue", "Blue", "Gauß", "Green"]


def test_organisers_may_give_any_names() -> None:
    names = [("informed", False), ("lnformed", False)]
    assert distinct_names(names) == ["informed", "lnformed"]
