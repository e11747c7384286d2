"""The folder of a tournament: everything that came of it, and what proves it.

    report.html           to be read
    scoreboard.csv        the figures of the scoreboard
    events.jsonl          what happened
    result.json           what was played, and the hash of each part
    matches/SEED.json.gz  a match: accounts, trades, samples
    matches/SEED.log.gz   of a simulated match the commands of its order log
    matches/SEED.tape.gz  of a live match the trades as the exchange told everybody of them
    bots/                 the files of bots that came with the tournament, as they were played

Whoever has the folder has all that is needed to play the tournament again.
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
# Logs and matches shrink to a tenth at the lowest levels already.
_LEVEL = 3


LineKind = Literal["log", "tape"]


class InvalidResult(Exception):
    """A folder that is no result, or one with a part that cannot be read; the text says which."""


class Source(Struct, frozen=True):
    """The file of a bot: where it is in the folder of the result, and its SHA-256."""

    file: str
    sha256: str


class Proof(Struct, frozen=True, kw_only=True):
    """What a match has to come to again; hashes are SHA-256 as hexadecimal digits.

    log_hash    of the commands, one line of JSON each; empty of a live match, whose log is the exchange's
    match_hash  of all that is kept of it
    """

    seed: int
    commands: int
    trades: int
    log_hash: str
    trades_hash: str
    ledger_hash: str
    match_hash: str


class Result(Struct, frozen=True, kw_only=True):
    """What was played and what came of it; `exchange` is what a running exchange said of itself, where it was live."""

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
    """Takes lines, many at a time."""

    def __call__(self, lines: bytes, /) -> object:
        """Take some."""


class Folder:
    """A folder of a result."""

    def __init__(self, path: Path) -> None:
        self.path = path

    # -- while it is played ------------------------------------------------------------------------------------------

    def begin(self, files: Mapping[str, Path]) -> dict[str, Source]:
        """Make the folder, and keep the files of bots, by the names in the configuration."""
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
        """Takes the log or the tape of a match."""
        with self._lines(seed, what).open("wb") as raw, gzip.GzipFile("", "wb", _LEVEL, raw, mtime=0) as out:
            yield out.write

    def keep(self, match: Match) -> None:
        """Keep a match."""
        text = gzip.compress(result.encoded(match), _LEVEL, mtime=0)
        partly = self._match(match.seed).with_suffix(".part")
        partly.write_bytes(text)
        partly.replace(self._match(match.seed))

    # -- when all is played ------------------------------------------------------------------------------------------

    def finish(
        self,
        league: League,
        sources: dict[str, Source],
        matches: Sequence[Match],
        board: Scoreboard,
        *,
        exchange: dict[str, Any] | None = None,
    ) -> Result:
        """Write what was computed of the matches, and the proof; the report comes with `add_report`."""
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
        """Write the report, and the proof, which is complete now."""
        self._file(REPORT).write_text(page, encoding="utf-8")
        complete = msgspec.structs.replace(proof, report_hash=hash_of(page.encode()))
        self._file(RESULT).write_bytes(msgspec.json.format(msgspec.json.encode(complete), indent=1) + b"\n")
        return complete

    # -- when it is read ---------------------------------------------------------------------------------------------

    def result(self) -> Result:
        """The proof. Raises InvalidResult."""
        try:
            found = msgspec.json.decode(self.read(RESULT), type=Result)
        except msgspec.MsgspecError as fault:
            raise InvalidResult(f"{RESULT} is none: {fault}") from None
        if found.format != FORMAT:
            raise InvalidResult(f"{RESULT} is of format {found.format}; this program reads format {FORMAT}")
        return found

    def match(self, seed: int) -> Match:
        """A match. Raises InvalidResult."""
        try:
            return result.decoded(gzip.decompress(self.read(f"matches/{seed}.json.gz")))
        except (msgspec.MsgspecError, OSError, EOFError) as fault:
            raise InvalidResult(f"matches/{seed}.json.gz cannot be read: {fault}") from None

    def read_lines(self, seed: int, what: LineKind) -> Iterator[bytes]:
        """The log or the tape of a match, line by line. Raises InvalidResult."""
        try:
            with gzip.open(self._lines(seed, what)) as lines:
                yield from (line.rstrip(b"\n") for line in lines)
        except (OSError, EOFError) as fault:
            raise InvalidResult(f"matches/{seed}.{what}.gz cannot be read: {fault}") from None

    def files(self, proof: Result) -> dict[str, Path]:
        """Where the files of bots are that were played, by the names in the configuration."""
        return {place: self._file(source.file).resolve() for place, source in proof.sources.items()}

    def read(self, name: str) -> bytes:
        """A file of the folder. Raises InvalidResult."""
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
    """The configuration that was played. Raises InvalidResult."""
    try:
        return parse(proof.league, named=RESULT)
    except ConfigurationError as fault:
        raise InvalidResult(str(fault)) from None


def proof_of(match: Match) -> Proof:
    """What a match has to come to again."""
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
    """One hash for all matches."""
    return hash_of("".join(proof.match_hash for proof in proofs).encode())


def hash_of(text: bytes) -> str:
    """SHA-256 as hexadecimal digits."""
    return hashlib.sha256(text).hexdigest()


def _hash_of_file(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
