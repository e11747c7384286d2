from __future__ import annotations

import gevent

from api.streams.feed.pace import Pace

EVERY_S = 1.0


def test_the_first_call_runs_at_once_and_later_ones_are_combined() -> None:
    sent: list[str] = []
    pace = Pace(every_s=EVERY_S, publish=sent.append)
    pace.soon("MSFT")
    assert sent == ["MSFT"]
    for _ in range(5):
        pace.soon("MSFT")
    assert sent == ["MSFT"]
    pace.soon("TSLA")
    assert sent == ["MSFT", "TSLA"]
    with gevent.Timeout(60):
        while len(sent) < 3:
            gevent.sleep(0.01)
    gevent.sleep(EVERY_S)
    assert sent == ["MSFT", "TSLA", "MSFT"]
    pace.soon("MSFT")
    assert sent == ["MSFT", "TSLA", "MSFT", "MSFT"]
