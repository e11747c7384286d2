"""Waits until what listens to HTTP is ready."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable

from deploy.local.failure import Failure
from deploy.local.ports import LOOPBACK

_ANSWER_S = 5


def wait_for_api(url: str, *, still_up: Callable[[], None], seconds: float = 90) -> None:
    """Return when the api says that it and everything it depends on are ready.

    still_up  raises the Failure to report when it will not be ready any more
    """
    _wait(f"{url}/health/ready", "the api", still_up, seconds)


def wait_for_flower(port: int, *, still_up: Callable[[], None], seconds: float = 60) -> None:
    """Return when Flower answers."""
    _wait(f"http://{LOOPBACK}:{port}/healthcheck", "Flower", still_up, seconds)


def _wait(address: str, what: str, still_up: Callable[[], None], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while (fault := _fault(address)) is not None:
        still_up()
        if time.monotonic() > deadline:
            raise Failure(f"{what} was not ready within {seconds:.0f} s ({fault}); see `make status` and `make logs`")
        time.sleep(0.2)


def _fault(address: str) -> str | None:
    """What is wrong there; None when it answers 200."""
    try:
        with urllib.request.urlopen(address, timeout=_ANSWER_S):  # noqa: S310  # of our own making, and HTTP
            return None
    except urllib.error.HTTPError as answer:
        return _missing(answer.read()) or str(answer)
    except (OSError, ValueError) as fault:
        return str(fault)


def _missing(body: bytes) -> str:
    """The dependencies that a body of /health/ready says are not there."""
    try:
        dependencies = json.loads(body)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return ""
    return ", ".join(f"{name}: {state}" for name, state in dependencies.items() if state != "ok")
