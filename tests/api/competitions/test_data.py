"""The data of a competition as CSV is read in parts, so that a request holds neither all rows nor a connection."""

from __future__ import annotations

import pytest

from api.competitions import data
from db.connect import Database


def test_parts_of_any_size_have_the_same_rows(clearing_data: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = list(data._ledger(clearing_data, ["SINGLE", "ABSENT", "FLOOD"]))
    assert len(whole) > 4, "both accounts have an endowment of cash and shares"
    assert len({row for row in whole if isinstance(row, data.KeptEntry)}) == len(whole) - 1, "the rest is the head"
    for size in (1, 2, 3, 5, len(whole)):
        monkeypatch.setattr(data, "PART", size)
        assert list(data._ledger(clearing_data, ["SINGLE", "ABSENT", "FLOOD"])) == whole
