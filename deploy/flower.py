"""Flower: on loopback without a password, on any other address only with one.

Flower shows every message of the pipeline and can stop the workers.
"""

from __future__ import annotations

import os
import sys
from ipaddress import ip_address

from celery.__main__ import main as celery

from celery_app.settings import Settings, settings

# Limits of its memory: the number of tasks, and the time that it remembers workers that are gone [s].
_MEMORY = {"FLOWER_MAX_TASKS": "2000", "FLOWER_PURGE_OFFLINE_WORKERS": "600"}


def main() -> None:
    """Be Flower; exit status 1 and one sentence if it would be open to others."""
    s = settings()
    fault = refusal(s)
    if fault is not None:
        sys.exit(fault)
    given = {name: text for name, text in os.environ.items() if text}
    own = {"FLOWER_ADDRESS": s.flower_address, "FLOWER_PORT": str(s.flower_port)}
    os.environ.clear()
    os.environ.update(_MEMORY | given | own)
    sys.argv = ["celery", "-A", "celery_app", "flower"]
    celery()


def refusal(s: Settings) -> str | None:
    """Return the reason why Flower may not start; None: it may."""
    if s.flower_basic_auth.get_secret_value() or _is_loopback(s.flower_reached_at):
        return None
    return (
        f"Flower would listen on {s.flower_reached_at} without a password: set FLOWER_BASIC_AUTH=name:password, "
        f"or let it listen on 127.0.0.1"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


if __name__ == "__main__":
    main()
