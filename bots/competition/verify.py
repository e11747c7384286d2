"""`python -m bots verify PLACE`: recounts the standings of a competition that is over."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from bots.competition.record import CannotRead, fetch, read
from bots.competition.recount import faults

_MOST_SHOWN = 20
REQUIREMENTS = "bots/competition/requirements.txt"


def main(arguments: Sequence[str]) -> int:
    """Recount the standings. Exit status 0: everything agrees; 1: something differs, or the record cannot be read."""
    asked = _parser().parse_args(arguments)
    try:
        if asked.parquet:
            _require_pyarrow(asked.save)
        files = fetch(asked.place)
        record = read(files)
        if asked.save is not None:
            _save(files, asked.save, parquet=asked.parquet)
    except CannotRead as fault:
        print(f"python -m bots: {fault}", file=sys.stderr)
        return 1
    found = list(faults(record))
    for difference in found[:_MOST_SHOWN]:
        print(difference, file=sys.stderr)
    rounds = len({one.round for one in record.contents.results})
    counted = f"{rounds} rounds, {len(record.trades)} trades, {len(record.ledger)} entries of the ledger"
    if found:
        print(f"the standings are not what {counted} lead to: {len(found)} differences", file=sys.stderr)
        return 1
    print(f"the standings are what {counted} and the seed lead to")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bots verify",
        description="Recount the standings of a competition from its tape, its ledger and its seed.",
    )
    parser.add_argument(
        "place", help="http://HOST/competitions/ID of a competition that is over, or a folder that --save wrote"
    )
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="save the record in this folder, as JSON and CSV")
    parser.add_argument("--parquet", action="store_true", help="also write the tables there as Parquet; needs pyarrow")
    return parser


def _require_pyarrow(folder: Path | None) -> None:
    """Raise CannotRead if Parquet files cannot be written."""
    if folder is None:
        raise CannotRead("--parquet needs --save FOLDER, where it writes the files")
    try:
        importlib.import_module("pyarrow")
    except ModuleNotFoundError:
        install = f"pip install --require-hashes -r {REQUIREMENTS}"
        raise CannotRead(f"--parquet needs pyarrow, which is not installed: {install}") from None


def _save(files: dict[str, bytes], folder: Path, *, parquet: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    if parquet:
        importlib.import_module("bots.competition.parquet").write(folder)
