"""The words of code and documents: those that this project once used in a sense of its own do not come back.

Each has a standard one: `publish` or `report` for tell, `again` for anew, `clients that` for whoever, `no client` for
nobody, `next to` for beside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = ("api", "bench", "bots", "celery_app", "db", "deploy", "docs", "tasks", "tests")
SUFFIXES = frozenset({".py", ".md", ".toml", ".yml", ".html", ".js", ".css"})
# Reports of earlier measurements stay as they were written, and libraries as their authors publish them.
LEFT_OUT = ("bench/results/", "api/dashboard/static/vendor/", "tests/support/axe_core/", "tests/test_english.py")

WORDS = ("tell", "tells", "telling", "told", "anew", "whoever", "whomever", "nobody", "anybody", "everybody", "beside")
# Parts of names count as words: test_nobody_cancels. Names in capitals are ids of clients.
_WORDS = re.compile(
    rf"(?<![A-Za-z])(?:{'|'.join(f'[{word[0].upper()}{word[0]}]{word[1:]}' for word in WORDS)})(?![A-Za-z])"
)
# Plain searches for the stems are ten times as fast, and most files have none.
_STEMS = ("tell", "told", "anew", "whoever", "whomever", "nobody", "anybody", "everybody", "beside")


def files() -> Iterator[Path]:
    """Return the files of code and documents."""
    yield from (file for file in ROOT.iterdir() if file.suffix in SUFFIXES or file.name in ("Makefile", "Dockerfile"))
    for folder in FOLDERS:
        for file in (ROOT / folder).rglob("*"):
            named = str(file.relative_to(ROOT))
            if file.suffix in SUFFIXES and not named.startswith(LEFT_OUT):
                yield file


def test_standard_words_are_used() -> None:
    found = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for file in files()
        for number, line in enumerate(lines_to_search(file.read_text(encoding="utf-8")), start=1)
        if _WORDS.search(line)
    ]
    assert not found, "\n".join(found)


def lines_to_search(text: str) -> list[str]:
    """Return the lines of a text, or none of them if it has no stem."""
    small = text.lower()
    return text.splitlines() if any(stem in small for stem in _STEMS) else []


def test_the_search_finds_such_words() -> None:
    for line in (
        "a client is told of it",
        "def test_nobody_cancels()",
        "who misses one: whoever it is",
        "self._tell()",
    ):
        assert _WORDS.search(line), line
    for line in ("NOBODY", "tellers", "besides", "storytelling"):
        assert not _WORDS.search(line), line
