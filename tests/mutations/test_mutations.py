"""Every mutation applies to the code and names existing tests; `make mutations` tries them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.mutations import scratch
from tests.mutations.catalogue import API, AUDIT, DELIVERY, FEED, MATCHING, MUTATIONS, ORDER_ENTRY, SETTLEMENT
from tests.mutations.mutation import Edit, Mutation, NotApplicable, mutated

FEWEST = 18


def test_the_catalogue_has_enough_mutations_with_different_names() -> None:
    assert len(MUTATIONS) >= FEWEST
    assert len(MUTATIONS) == sum(map(len, (DELIVERY, ORDER_ENTRY, MATCHING, SETTLEMENT, FEED, API, AUDIT)))


@pytest.mark.parametrize("name", MUTATIONS)
def test_it_applies_and_leaves_valid_python(name: str) -> None:
    for path, text in mutated(scratch.ROOT, MUTATIONS[name]).items():
        assert text != path.read_text()
        ast.parse(text)


@pytest.mark.parametrize("name", MUTATIONS)
def test_its_catchers_exist(name: str) -> None:
    for catcher in MUTATIONS[name].catchers:
        file, _, test = catcher.partition("::")
        functions = {node.name for node in ast.parse((scratch.ROOT / file).read_text()).body if hasattr(node, "name")}
        assert test.partition("[")[0] in functions


@pytest.mark.parametrize("name", MUTATIONS)
def test_the_matrix_has_it(name: str) -> None:
    matrix = (scratch.ROOT / "docs" / "mutations.md").read_text()
    mutation = MUTATIONS[name]
    tests = [test.rpartition("::")[2] for test in mutation.catchers]
    assert any(
        name in line and mutation.safeguard in line and all(test in line for test in tests)
        for line in matrix.splitlines()
    )


def test_a_text_that_occurs_twice_or_never_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("a = 1\na = 1\n")
    for search in ("a = 1", "b = 1"):
        with pytest.raises(NotApplicable):
            mutated(tmp_path, Mutation("one", "", (), (Edit("one.py", search, ""),)))
