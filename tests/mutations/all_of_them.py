"""`make mutations`: every mutation is caught. `make test` leaves this out, as it takes minutes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.mutations import scratch
from tests.mutations.catalogue import MUTATIONS


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """Return a copy of the tree."""
    with scratch.copy() as folder:
        yield folder


def test_the_catchers_pass_without_a_mutation(root: Path) -> None:
    catchers = dict.fromkeys(test for mutation in MUTATIONS.values() for test in mutation.catchers)
    outcome = scratch.run(root, list(catchers))
    assert outcome.passed, outcome.output[-4000:]


@pytest.mark.parametrize("name", MUTATIONS)
def test_it_is_caught(root: Path, name: str, record_property: Callable[[str, object], None]) -> None:
    outcome = scratch.try_one(root, MUTATIONS[name])
    assert outcome.failed, f"no test notices that this is gone: {MUTATIONS[name].safeguard}\n{outcome.output[-2000:]}"
    record_property("caught_by", outcome.failed[0])
