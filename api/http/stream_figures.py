"""Figures of the processes `streams`, in files of the run directory: the api serves the metrics of all."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct


class StreamFigures(Struct, frozen=True):
    """The counts of `streams`: connected clients, and clients cut off since its start."""

    clients: int
    anonymous_clients: int
    cut_off: int
    at_us: int


def write(run_directory: Path, figures: StreamFigures, *, place: int = 1) -> None:
    """Replace the file of a process, atomically. Raises OSError."""
    file = _file(run_directory, place)
    partly = file.with_suffix(".part")
    partly.write_bytes(msgspec.json.encode(figures))
    partly.replace(file)


def read(run_directory: Path, *, place: int = 1) -> StreamFigures | None:
    """Return the latest figures of a process, or None before the first."""
    try:
        return msgspec.json.decode(_file(run_directory, place).read_bytes(), type=StreamFigures)
    except (OSError, msgspec.DecodeError):
        return None


def read_all(run_directory: Path, *, since_us: int) -> StreamFigures | None:
    """Return the sums over all processes of this host that have written since a time; None if none has."""
    files = run_directory.glob("streams*.json")
    places = sorted(int(file.stem.removeprefix("streams").removeprefix("-") or 1) for file in files)
    found = [figures for place in places if (figures := read(run_directory, place=place)) is not None]
    recent = [figures for figures in found if figures.at_us >= since_us]
    if not recent:
        return None
    return StreamFigures(
        sum(one.clients for one in recent),
        sum(one.anonymous_clients for one in recent),
        sum(one.cut_off for one in recent),
        max(one.at_us for one in recent),
    )


def _file(run_directory: Path, place: int) -> Path:
    return run_directory / ("streams.json" if place == 1 else f"streams-{place}.json")
