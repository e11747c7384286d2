"""The other commit is a clone of this repository, checked out where the caller asks for it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bench.__main__ import main
from bench.against.other import clone
from deploy.local.failure import Failure
from deploy.local.places import ROOT


def head_of(folder: Path) -> str:
    return subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_a_commit_is_cloned_once(tmp_path: Path) -> None:
    first = clone("HEAD", tmp_path)
    assert head_of(first.folder) == head_of(ROOT)
    assert (first.folder / "Makefile").exists()
    (first.folder / ".venv").mkdir()
    assert clone("HEAD", tmp_path) == first
    assert (first.folder / ".venv").exists()


def test_an_unknown_commit_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="has no commit nonesuch: name one that `git log` lists"):
        clone("nonesuch", tmp_path)


@pytest.mark.parametrize("arguments", [["--scenario", "reads"], ["--pairs", "0"]])
def test_only_what_can_be_compared_is(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--against", "HEAD", *arguments])
    assert capsys.readouterr().err
