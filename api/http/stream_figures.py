"""Figures of the process `streams`, in a file of the run directory: the api serves the metrics of both."""

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


def write(run_directory: Path, figures: StreamFigures) -> None:
    """Replace the file, atomically. Raises OSError."""
    file = _file(run_directory)
    partly = file.with_suffix(".part")
    partly.write_bytes(msgspec.json.encode(figures))
    partly.replace(file)


def read(run_directory: Path) -> StreamFigures | None:
    """Return the latest figures, or None before the first."""
    try:
        return msgspec.json.decode(_file(run_directory).read_bytes(), type=StreamFigures)
    except (OSError, msgspec.DecodeError):
        return None


def _file(run_directory: Path) -> Path:
    return run_directory / "streams.json"
