"""`python -m tests.mutations [NAME ...]`: remove one safeguard at a time, and check that its test fails.

It needs the services of the tests, which `make mutations` starts. The exit status is 1 if a mutation is not caught.
"""

from __future__ import annotations

import argparse
import sys

from tests.mutations import scratch
from tests.mutations.catalogue import MUTATIONS


def main() -> int:
    """Try the named mutations, by default all."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(MUTATIONS)}")
    names = parser.parse_args().names or list(MUTATIONS)
    missed = []
    with scratch.copy() as root:
        catchers = list(dict.fromkeys(test for name in names for test in MUTATIONS[name].catchers))
        sound = scratch.run(root, catchers)
        if not sound.passed:
            sys.stdout.write(f"{sound.output}\nthese tests fail without any mutation, so they prove nothing\n")
            return 1
        for name in names:
            outcome = scratch.try_one(root, MUTATIONS[name])
            verdict = f"caught by {outcome.failed[0]}" if outcome.failed else "NOT CAUGHT"
            sys.stdout.write(f"{name:36} {outcome.seconds:6.1f} s  {verdict}\n")
            sys.stdout.flush()
            if not outcome.failed:
                missed.append(name)
    sys.stdout.write(f"{len(names) - len(missed)} of {len(names)} mutations are caught\n")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
