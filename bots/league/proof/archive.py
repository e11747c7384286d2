"""Reads and writes the folder of a tournament, which holds its result and the proof of it.

    report.html           the report
    scoreboard.csv        the figures of the scoreboard
    events.jsonl          the events of all matches
    result.json           the configuration, and the hash of each part
    matches/SEED.json.gz  a match: accounts, trades, samples
    matches/SEED.log.gz   the commands of a simulated match's order log
    matches/SEED.tape.gz  the published trades of a live match
    bots/                 copies of the bot files that played

The folder holds everything that is needed to play the tournament again.
"""

from __future__ import annotations

import gzip
import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec
from msgspec import Struct

from bots.league.play import result
from bots.league.play.configuration import ConfigurationError, League, parse
from bots.league.play.result import Match
from bots.league.proof import events
from bots.league.scoring.standings import Scoreboard, as_csv

RESULT = "result.json"
REPORT = "report.html"
SCOREBOARD = "scoreboard.csv"
EVENTS = "events.jsonl"
FORMAT = 1
# Logs and matches shrink to a tenth even at low compression levels.
_LEVEL = 3


LineKind = Literal["log", "tape"]


class InvalidResult(Exception):
    """The folder is not a result, or a part of it cannot be read; the text says which."""


class Source(Struct, frozen=True):
    """The copy of a bot's file: its path in the folder, and its SHA-256."""

    file: str
    sha256: str


class Proof(Struct, frozen=True, kw_only=True):
    """The figures that a match must reach again; hashes are SHA-256 as hexadecimal digits.

    log_hash    hash of the commands, one line of JSON each; empty for a live match, whose log stays in the exchange
    match_hash  hash of the stored match
    """

    seed: int
    commands: int
    trades: int
    log_hash: str
    trades_hash: str
    ledger_hash: str
    match_hash: str


class Result(Struct, frozen=True, kw_only=True):
    """The configuration and the proof of a tournament; `exchange` has the address and the audit of a live exchange."""

    format: int
    kind: Literal["simulated", "live"]
    league: dict[str, Any]
    sources: dict[str, Source]
    matches: list[Proof]
    scoreboard_hash: str
    events_hash: str
    report_hash: str
    exchange: dict[str, Any] | None = None


class LineWriter(Protocol):
    """Receives lines, many at a time."""

    def __call__(self, lines: bytes, /) -> object:
        """Write some lines."""


class Folder:
    """The folder of a tournament."""

    def __init__(self, path: Path) -> None:
        self.path = path

    # -- during the tournament ---------------------------------------------------------------------------------------

    def begin(self, files: Mapping[str, Path]) -> dict[str, Source]:
        """Make the folder and copy the bots' files; return the copies by the names in the configuration."""
        self._file("matches").mkdir(parents=True)
        sources = {}
        for number, (place, file) in enumerate(sorted(files.items()), start=1):
            kept = Path("bots") / f"{number}_{file.name}"
            self._file("bots").mkdir(exist_ok=True)
            shutil.copyfile(file, self._file(str(kept)))
            sources[place] = Source(str(kept), _hash_of_file(self._file(str(kept))))
        return sources

    @contextmanager
    def lines_of(self, seed: int, what: LineKind) -> Iterator[LineWriter]:
        """Open the log or the tape of a match for writing."""
        with self._lines(seed, what).open("wb") as raw, gzip.GzipFile("", "wb", _LEVEL, raw, mtime=0) as out:
            yield out.write

    def keep(self, match: Match) -> None:
        """Store a match, atomically."""
        text = gzip.compress(result.encoded(match), _LEVEL, mtime=0)
        partly = self._match(match.seed).with_suffix(".part")
        partly.write_bytes(text)
        partly.replace(self._match(match.seed))

    # -- after the tournament ----------------------------------------------------------------------------------------

    def finish(
        self,
        league: League,
        sources: dict[str, Source],
        matches: Sequence[Match],
        board: Scoreboard,
        *,
        exchange: dict[str, Any] | None = None,
    ) -> Result:
        """Write the scoreboard and the events; return the proof, which `add_report` completes."""
        table = as_csv(board, matches[0].securities)
        self._file(SCOREBOARD).write_text(table)
        with self._file(EVENTS).open("wb") as out:
            for match in matches:
                out.writelines(events.lines(match))
        return Result(
            format=FORMAT,
            kind=matches[0].kind,
            league=league.model_dump(mode="json"),
            sources=sources,
            matches=[proof_of(match) for match in matches],
            scoreboard_hash=hash_of(table.encode()),
            events_hash=_hash_of_file(self._file(EVENTS)),
            report_hash="",
            exchange=exchange,
        )

    def add_report(self, proof: Result, page: str) -> Result:
        """Write the report and the completed proof."""
        self._file(REPORT).write_text(page, encoding="utf-8")
        complete = msgspec.structs.replace(proof, report_hash=hash_of(page.encode()))
        self._file(RESULT).write_bytes(msgspec.json.format(msgspec.json.encode(complete), indent=1) + b"\n")
        return complete

    # -- reading -----------------------------------------------------------------------------------------------------

    def result(self) -> Result:
        """Read the proof. Raises InvalidResult."""
        try:
            found = msgspec.json.decode(self.read(RESULT), type=Result)
        except msgspec.MsgspecError as fault:
            raise InvalidResult(f"{RESULT} is not the result of a tournament: {fault}") from None
        if found.format != FORMAT:
            raise InvalidResult(f"{RESULT} has format {found.format}; this program reads format {FORMAT}")
        return found

    def match(self, seed: int) -> Match:
        """Read a match. Raises InvalidResult."""
        try:
            return result.decoded(gzip.decompress(self.read(f"matches/{seed}.json.gz")))
        except (msgspec.MsgspecError, OSError, EOFError) as fault:
            raise InvalidResult(f"matches/{seed}.json.gz cannot be read: {fault}") from None

    def read_lines(self, seed: int, what: LineKind) -> Iterator[bytes]:
        """Yield the lines of a match's log or tape. Raises InvalidResult."""
        try:
            with gzip.open(self._lines(seed, what)) as lines:
                yield from (line.rstrip(b"\n") for line in lines)
        except (OSError, EOFError) as fault:
            raise InvalidResult(f"matches/{seed}.{what}.gz cannot be read: {fault}") from None

    def files(self, proof: Result) -> dict[str, Path]:
        """Return the paths of the bots' files by the names in the configuration."""
        return {place: self._file(source.file).resolve() for place, source in proof.sources.items()}

    def read(self, name: str) -> bytes:
        """Read a file of the folder. Raises InvalidResult."""
        try:
            return self._file(name).read_bytes()
        except OSError as fault:
            raise InvalidResult(f"{name} cannot be read: {fault.strerror}") from None

    def _file(self, name: str) -> Path:
        return self.path / name

    def _match(self, seed: int) -> Path:
        return self.path / "matches" / f"{seed}.json.gz"

    def _lines(self, seed: int, what: LineKind) -> Path:
        return self.path / "matches" / f"{seed}.{what}.gz"


def league_of(proof: Result) -> League:
    """Return the configuration of a tournament. Raises InvalidResult."""
    try:
        return parse(proof.league, named=RESULT)
    except ConfigurationError as fault:
        raise InvalidResult(str(fault)) from None


def proof_of(match: Match) -> Proof:
    """Make the proof of a match."""
    return Proof(
        seed=match.seed,
        commands=match.commands,
        trades=match.trades,
        log_hash=match.log_hash,
        trades_hash=match.trades_hash,
        ledger_hash=result.ledger_hash(match),
        match_hash=result.hash_of(match),
    )


def matches_hash(proofs: Sequence[Proof]) -> str:
    """Return one hash of all matches."""
    return hash_of("".join(proof.match_hash for proof in proofs).encode())


def hash_of(text: bytes) -> str:
    """Return the SHA-256 as hexadecimal digits."""
    return hashlib.sha256(text).hexdigest()


def _hash_of_file(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
