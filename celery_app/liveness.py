"""The liveness files of the workers: their age says whether a worker lives, their content what it has counted."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

FOLDER = "alive"


def write(run_directory: Path, worker: str, *, redelivered: int) -> None:
    """Write a worker's file: the time [s since 1970], and how many messages RabbitMQ had delivered before."""
    file = run_directory / FOLDER / worker
    file.parent.mkdir(parents=True, exist_ok=True)
    partly = file.with_name(f".{worker}")  # in the same folder, which containers share as a volume of its own
    partly.write_text(f"{time.time():.0f} {redelivered}\n")
    partly.replace(file)


def redelivered(run_directory: Path) -> dict[str, int]:
    """Return the redelivered messages by queue, as its workers counted them, also those that have ended since.

    Empty where the workers write into another directory. Files of other programs have no count.
    """
    counts: Counter[str] = Counter()
    for file in (run_directory / FOLDER).glob("[!.]*-*@*"):
        with suppress(FileNotFoundError):  # `make up` removes the files of the start before
            count = file.read_text().split()[1:]
            if count:
                counts[file.name.partition("@")[0].rpartition("-")[0]] += int(count[0])
    return dict(counts)
