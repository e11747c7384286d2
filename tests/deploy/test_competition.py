"""`make competition`: the shipped cases are valid, and faults are named as one finds them in the file."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from api.competitions.cases import case_of
from api.wire.competition_bodies import NewCompetition
from api.wire.shapes import shape_of
from deploy.competition import _encode, place_of, read

CASES = sorted((Path(__file__).parents[2] / "deploy" / "cases").glob("*.toml"))


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_a_shipped_case_is_valid(file: Path) -> None:
    content: Any = json.loads(_encode(read(file)), parse_float=Decimal)
    case = case_of(shape_of(content, NewCompetition))
    assert case.name
    assert case.house


def test_there_are_three_cases() -> None:
    assert [file.stem for file in CASES] == ["first-hour", "market-makers", "news"]


@pytest.mark.parametrize(
    ("pointer", "place"),
    [("/securities/2/band", "securities[3].band"), ("/name", "name"), ("", "as a whole"), ("/a~1b", "a/b")],
)
def test_a_place_is_that_in_the_file(pointer: str, place: str) -> None:
    assert place_of(pointer) == place
