"""The command line explains itself, and says in one sentence why it cannot trade."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bots.__main__ import COMMANDS
from bots.strategies import STRATEGIES


def bots(*arguments: str, directory: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bots", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=directory,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "COLUMNS": "120", **environment},
        check=False,
    )


def test_help_names_all_commands_and_strategies(tmp_path: Path) -> None:
    shown = bots("--help", directory=tmp_path)
    assert shown.returncode == 0
    assert list(STRATEGIES)[:6] == ["random_walk", "gauss", "uniform", "flood", "retail", "market_maker"]
    for name in (*STRATEGIES, *COMMANDS):
        assert name in shown.stdout


@pytest.mark.parametrize(
    "target", ["nothing", "nothing.py:Bot", "no.such.module:Bot", "one.py:Other", "one.py:Strategy"]
)
def test_an_unknown_strategy_is_reported_in_one_line(tmp_path: Path, target: str) -> None:
    (tmp_path / "one.py").write_text("from bots.strategy import Strategy\n\nclass One(Strategy):\n    pass\n")
    shown = bots("run", target, directory=tmp_path)
    assert shown.returncode == 1
    assert shown.stderr.startswith("python -m bots: ")
    assert len(shown.stderr.splitlines()) == 1


def test_an_unknown_command_is_reported(tmp_path: Path) -> None:
    shown = bots("no_such", directory=tmp_path)
    assert shown.returncode == 2
    assert "invalid choice: 'no_such'" in shown.stderr


def test_a_new_bot_is_written_once_and_runs_as_it_is(tmp_path: Path) -> None:
    written = bots("new", "my_bot", directory=tmp_path)
    assert written.returncode == 0, written.stderr
    assert "python -m bots run my_bot.py:MyBot" in written.stdout
    code = (tmp_path / "my_bot.py").read_text()
    assert len([line for line in code.splitlines() if line]) <= 15
    shown = bots("run", "my_bot.py:MyBot", "--help", directory=tmp_path)
    assert "--worth" in shown.stdout
    assert "what a share is worth" in shown.stdout
    assert "--worth" in bots("run", "my_bot.py", "--help", directory=tmp_path).stdout  # the only one in it

    again = bots("new", "my_bot", directory=tmp_path)
    assert again.returncode == 1
    assert "my_bot.py cannot be written: File exists" in again.stderr
    assert bots("new", "7", directory=tmp_path).returncode == 1
    (tmp_path / "mine").mkdir()
    assert "mine/my_bot.py:MyBot" in bots("new", "mine/my_bot", directory=tmp_path).stdout


@pytest.mark.parametrize("name", STRATEGIES)
def test_help_of_each(tmp_path: Path, name: str) -> None:
    shown = bots(name, "--help", directory=tmp_path)
    assert shown.returncode == 0, shown.stderr
    for option in ("--client-id", "--key", "--keys-file", "--url", "--seed", "--security", "--ending", "(default: "):
        assert option in shown.stdout


def test_without_a_keys_file(tmp_path: Path) -> None:
    shown = bots("gauss", directory=tmp_path)
    assert shown.returncode == 1
    assert "there is no key: .run/keys.json does not exist" in shown.stderr
    assert len(shown.stderr.splitlines()) == 1


def test_a_keys_file_without_the_account(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(json.dumps({"GAUSS": "k"}))
    shown = bots("gauss", "--client-id", "JIM", "--keys-file", "keys.json", directory=tmp_path)
    assert shown.returncode == 1
    assert "keys.json has no key for JIM" in shown.stderr


def test_a_keys_file_that_is_not_json(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text("{")
    shown = bots("gauss", "--keys-file", "keys.json", directory=tmp_path)
    assert shown.returncode == 1
    assert "cannot be read" in shown.stderr


def test_an_invalid_option_of_the_strategy(tmp_path: Path) -> None:
    shown = bots("flood", "--rate", "-1", directory=tmp_path)
    assert shown.returncode == 1
    assert shown.stderr == "python -m bots: rate must not be negative\n"
