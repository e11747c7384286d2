"""The page names the address at which this host's users reach Flower."""

from __future__ import annotations

import pytest

from api.streams.app import flower_url
from celery_app.settings import Settings


@pytest.mark.parametrize(
    ("named", "url"),
    [
        ({}, "http://127.0.0.1:5555"),
        ({"flower_address": "192.168.1.2", "flower_port": 5556}, "http://192.168.1.2:5556"),
        ({"flower_address": "0.0.0.0"}, "http://127.0.0.1:5555"),
        ({"flower_address": "0.0.0.0", "flower_published_at": "10.0.0.1"}, "http://10.0.0.1:5555"),
    ],
)
def test_the_address_of_flower(named: dict[str, object], url: str) -> None:
    given = {"flower_address": "127.0.0.1", "flower_published_at": "", "flower_port": 5555, **named}
    assert flower_url(Settings(**given)) == url  # type: ignore[arg-type]
