from __future__ import annotations

import gevent

from api.streams.feed.pace import Pace


def test_the_first_call_runs_at_once_and_later_ones_are_combined() -> None:
    told: list[str] = []
    pace = Pace(every_s=0.1, tell=told.append)
    pace.soon("MSFT")
    assert told == ["MSFT"]
    for _ in range(5):
        pace.soon("MSFT")
    assert told == ["MSFT"]
    pace.soon("TSLA")
    assert told == ["MSFT", "TSLA"]
    gevent.sleep(0.5)
    assert told == ["MSFT", "TSLA", "MSFT"]
    pace.soon("MSFT")
    assert told == ["MSFT", "TSLA", "MSFT", "MSFT"]
