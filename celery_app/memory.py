"""The garbage collector of a process that handles batches of thousands of objects, none of them garbage in a cycle."""

from __future__ import annotations

import gc

# New objects at which the collector looks at the young ones. At the usual 700 it looks, in vain, several times in each
# batch, and then at everything that the process has loaded: half of order execution's time for an array.
COLLECT_AFTER = 100_000


def collect_rarely() -> None:
    """Leave loaded objects alone for good, because they live as long as the process, and look at new ones rarely."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)
