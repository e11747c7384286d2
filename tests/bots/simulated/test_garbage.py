"""During matches Python looks for garbage rarely, and afterwards as often as before."""

from __future__ import annotations

import gc

from bots.simulated.garbage import YOUNG_OBJECTS, rare_collections


def test_the_thresholds_return_after_the_last_of_several_matches() -> None:
    before = gc.get_threshold()
    first, second = rare_collections(), rare_collections()
    first.__enter__()
    second.__enter__()
    assert gc.get_threshold() == (YOUNG_OBJECTS, *before[1:])
    first.__exit__(None, None, None)
    assert gc.get_threshold()[0] == YOUNG_OBJECTS
    second.__exit__(None, None, None)
    assert gc.get_threshold() == before
