"""Each advisory lock has a number of its own: two users of one number would wait for each other for ever."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("db", "tasks", "deploy", "api", "celery_app")


def test_no_two_locks_share_a_number() -> None:
    texts = [file.read_text() for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")]
    numbers = Counter(number for text in texts for number in re.findall(r"\b7_266_\d{3}\b", text))
    assert len(numbers) >= 8
    assert [number for number, times in numbers.items() if times > 1] == []
