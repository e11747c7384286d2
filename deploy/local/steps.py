"""Progress on the terminal: each step with its duration."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def step(what: str) -> Iterator[None]:
    """Show a step during the block, and then a tick with its seconds, or a cross if the block raises."""
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
