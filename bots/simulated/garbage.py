"""Makes Python look for garbage less often during a match.

A match keeps most of what it makes, its fills and samples, and makes few reference cycles. By default, Python looks at
all young objects once there are 700 of them, which takes a tenth of a match's time.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

# New objects after which Python looks for garbage.
YOUNG_OBJECTS = 50_000

_lock = Lock()
_matches: list[tuple[int, int, int]] = []  # thresholds before each of the matches that this process plays


@contextmanager
def rare_collections() -> Iterator[None]:
    """Look for garbage rarely inside the block; once no block is left, as often as before."""
    with _lock:
        _matches.append(gc.get_threshold())
        gc.set_threshold(YOUNG_OBJECTS, *_matches[0][1:])
    try:
        yield
    finally:
        with _lock:
            if len(_matches) == 1:
                gc.set_threshold(*_matches[0])
            _matches.pop()
