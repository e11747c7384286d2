"""The table of bad input: each of its rows has a test that carries the row's number."""

from __future__ import annotations

import re
from pathlib import Path

ROWS = range(1, 53)

_NUMBERED = re.compile(r"^ *def test_((?:(?:and_)?\d+_)+)", re.MULTILINE)


def test_every_row_has_a_test() -> None:
    tested = {
        int(number)
        for file in Path(__file__).parent.rglob("test_*.py")
        for numbers in _NUMBERED.findall(file.read_text())
        for number in re.findall(r"\d+", numbers)
    }
    assert tested >= set(ROWS), set(ROWS) - tested
