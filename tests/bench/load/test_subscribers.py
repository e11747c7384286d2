"""The benchmark's subscribers notice missing and unordered events."""

from __future__ import annotations

import json

import pytest

from api.streams.sockets.websocket import text_frame
from bench.load.subscribers import ANY, _Crowd, _end_of_whole


def frame(channel: str, kind: str, previous_sequence: int, sequence: int, trades: list[int] | None = None) -> bytes:
    content = {
        "channel": channel,
        "security_id": "MSFT",
        "type": kind,
        "sequence": sequence,
        "previous_sequence": previous_sequence,
        "data": [{"sequence": number} for number in trades or []],
    }
    return text_frame(b"42" + json.dumps([channel, content]).encode())


@pytest.fixture
def crowd() -> _Crowd:
    return _Crowd("127.0.0.1", 0, 0)


def test_a_continued_sequence_has_no_gap(crowd: _Crowd) -> None:
    read = crowd._parse(frame("trades", "snapshot", 0, 3) + frame("trades", "update", 3, 5, [4, 5]) + text_frame(b"2"))
    assert (read.messages, read.gaps, read.pings) == (3, 0, 1)
    assert read.spans == {("trades", "MSFT"): (ANY, 5)}
    assert [event.trades for event in read.events] == [[], [4, 5]]


def test_a_missing_update_is_a_gap(crowd: _Crowd) -> None:
    read = crowd._parse(frame("price", "update", 3, 4) + frame("price", "update", 5, 6))
    assert read.gaps == 1
    assert read.spans == {("price", "MSFT"): (3, 6)}


@pytest.mark.parametrize("trades", [[5, 4], [4], [4, 6]])
def test_missing_or_unordered_trades_are_an_error(crowd: _Crowd, trades: list[int]) -> None:
    with pytest.raises(ValueError, match="not in order"):
        crowd._parse(frame("trades", "update", 3, 5, trades))


def test_only_whole_frames_count() -> None:
    whole = frame("price", "update", 1, 2) + text_frame(b"x" * 70_000)
    assert _end_of_whole(whole) == len(whole)
    assert _end_of_whole(whole + b"\x81") == len(whole)
    assert _end_of_whole(whole[:-1]) == len(frame("price", "update", 1, 2))
    assert _end_of_whole(b"") == 0
