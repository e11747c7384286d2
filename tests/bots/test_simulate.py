"""`python -m bots simulate` from scratch: a new bot against others, reproducible, with a summary."""

from __future__ import annotations

import re
from pathlib import Path

from tests.bots.test_main import bots

RAISING = """
from bots.strategy import Strategy

class Raising(Strategy):
    def on_price(self, price):
        self.log("heard", bid=price.bid)
        if self.now > 60:
            raise RuntimeError("enough")
"""


def test_a_new_bot_trades_for_an_hour_and_the_same_seed_repeats_it(tmp_path: Path) -> None:
    assert bots("new", "my_bot", directory=tmp_path).returncode == 0
    shown = bots("simulate", "my_bot.py:MyBot", "--worth", "99.5", directory=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert re.search(r"^MYBOT ends with [\d,.]+ dollars and [\d,]+ MSFT", shown.stdout)
    assert "AVELLANEDA_STOIKOV.5" in shown.stdout
    again = bots("simulate", "my_bot.py:MyBot", "--worth", "99.5", directory=tmp_path, PYTHONHASHSEED="5")
    assert _course(again.stdout) == _course(shown.stdout)
    other = bots("simulate", "my_bot.py:MyBot", "--worth", "99.5", "--seed", "2", directory=tmp_path)
    assert _course(other.stdout) != _course(shown.stdout)


def _course(shown: str) -> str:
    """All but how long it took."""
    return re.sub(r"in [\d.]+ s:", "", shown)


def test_a_bot_that_raises_is_out_and_its_traceback_is_shown(tmp_path: Path) -> None:
    (tmp_path / "raising.py").write_text(RAISING)
    shown = bots("simulate", "raising.py", "--minutes", "3", "--notes", directory=tmp_path)
    assert shown.returncode == 3
    assert "it raised, RuntimeError: enough" in shown.stdout
    assert "  out: raised" in shown.stdout
    assert " heard bid=" in shown.stdout
    assert 'raise RuntimeError("enough")' in shown.stderr


def test_an_impossible_simulation_is_reported_in_one_line(tmp_path: Path) -> None:
    for arguments in (
        ("nothing",),
        ("flood", "--against", "no_such"),
        ("flood", "--minutes", "0"),
        ("flood", "--rate", "-1"),
        ("flood", "--security", "MSFT,MSFT"),
    ):
        shown = bots("simulate", *arguments, directory=tmp_path)
        assert (shown.returncode, len(shown.stderr.splitlines())) == (1, 1), shown.stderr
        assert shown.stderr.startswith("python -m bots: ")
