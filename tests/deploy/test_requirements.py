"""Every library is pinned to one version and to the hashes of its files."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUNNING, TESTING = ROOT / "requirements.txt", ROOT / "tests" / "requirements.txt"

_PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;]+)(?: ;.*?)?(?: \\\n\s+--hash=sha256:[0-9a-f]{64})+$")


def pinned(file: Path) -> dict[str, str]:
    """Return the version of each library that a file pins.

    raises  AssertionError  a requirement has not one version and a hash at least
    """
    found = {}
    text = re.sub(r"^\s*#.*\n", "", file.read_text(), flags=re.MULTILINE)
    for requirement in re.split(r"\n(?=\S)", text.strip()):
        match = _PINNED.match(requirement)
        assert match, f"{file.name}: {requirement[:80]}"
        found[_normal(match[1])] = match[2]
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("file", [RUNNING, TESTING], ids=["running", "testing"])
def test_every_line_has_a_version_and_a_hash(file: Path) -> None:
    assert len(pinned(file)) > 20


def test_tests_run_with_the_libraries_that_run_the_exchange() -> None:
    assert pinned(RUNNING).items() <= pinned(TESTING).items()


def test_every_library_of_the_project_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    names = {_normal(re.split(r"[=<>!~\[; ]", requirement)[0]) for requirement in named}
    assert names <= pinned(TESTING).keys(), names - pinned(TESTING).keys()
