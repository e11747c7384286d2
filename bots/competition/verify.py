"""`python -m bots verify-competition PLACE`: recounts the standings of a competition that is over."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bots.competition.record import CannotRead, fetch, read
from bots.competition.recount import faults

_MOST_SHOWN = 20


def main(arguments: Sequence[str]) -> int:
    """Recount the standings. Exit status 0: everything agrees; 1: something differs, or the record cannot be read."""
    parser = argparse.ArgumentParser(
        prog="python -m bots verify-competition",
        description="Recount the standings of a competition from its tape, its ledger and its seed.",
    )
    parser.add_argument(
        "place", help="http://HOST/competitions/ID of a competition that is over, or a folder that --save wrote"
    )
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="keep the record in this folder")
    asked = parser.parse_args(arguments)
    try:
        files = fetch(asked.place)
        if asked.save is not None:
            asked.save.mkdir(parents=True, exist_ok=True)
            for name, content in files.items():
                (asked.save / name).write_bytes(content)
        record = read(files)
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
