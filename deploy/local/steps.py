"""Shows on the terminal what is under way, and how long it took."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def step(what: str) -> Iterator[None]:
    """Show that something is under way inside the block; then a tick and its seconds, or a cross when it raises."""
    live = sys.stdout.isatty()
    started = time.monotonic()
    if live:
        print(f"  {what} ...", end="\r", flush=True)
    mark = "✗"
    try:
        yield
        mark = "✓"
    finally:
        print(f"{mark} {what:<58}{time.monotonic() - started:6.1f} s", flush=True)
