"""`python -m bots verify PLACE`: checks the result of a tournament, or recounts the standings of a competition.

The place says which: a competition has an address, or a folder with its record.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path

from bots.competition.record import RECORD


def main(arguments: Sequence[str]) -> int:
    """Verify; return the exit status."""
    module = "bots.competition.verify" if any(map(is_competition, arguments)) else "bots.league.verify"
    # The libraries of tournaments need not be installed for a competition.
    status: int = importlib.import_module(module).main(arguments)
    return status


def is_competition(argument: str) -> bool:
    """Return whether an argument is the place of a competition."""
    return argument.startswith(("http://", "https://")) or (Path(argument) / RECORD).is_file()
