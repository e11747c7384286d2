"""The record of a finished competition, read from the exchange or from a saved folder."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import requests
from msgspec import Struct

T = TypeVar("T", bound=Struct)

RECORD = "record.json"
KINDS = ("trades", "ledger", "samples", "orders")
_TIMEOUT_S = 60


class CannotRead(Exception):
    """The record cannot be read; the message says why."""


class Trade(Struct, frozen=True, kw_only=True):
    """A trade of the tape [cents]."""

    security_id: str
    sequence: int
    event_id: int
    price_cents: int
    quantity: int


class Entry(Struct, frozen=True, kw_only=True):
    """An entry of the ledger: the gain of an account [cents, shares]."""

    account: str
    kind: str
    security_id: str
    cash_cents: int
    shares: int
    event_id: int | None
    transfer_id: str


class Sample(Struct, frozen=True, kw_only=True):
    """The gain of an account at a moment; for a duty to quote, 1 if it was met and 0 if not."""

    round: int
    client_id: str
    quotes: int | None


class Security(Struct, frozen=True, kw_only=True):
    """A security of a round and its settlement value [cents]."""

    round: int
    security_id: str
    named: str
    value_cents: int | None


class Team(Struct, frozen=True, kw_only=True):
    """A team or a house bot; a closed account receives no endowment, or only the part before it was closed."""

    client_id: str
    number: int
    team: str
    is_house: bool
    is_closed: bool = False


class Result(Struct, frozen=True, kw_only=True):
    """The result of an account in a round [cents; hundredths of points]."""

    round: int
    client_id: str
    cash_cents: int
    gain_cents: int
    points: int


class Contents(Struct, frozen=True, kw_only=True):
    """The record itself; the case and the standings have the form in which the exchange publishes them."""

    competition: dict[str, Any]
    case: dict[str, Any]
    seed: str
    securities: list[Security]
    teams: list[Team]
    results: list[Result]
    standings: list[dict[str, Any]]


class Record(Struct, frozen=True, kw_only=True):
    """The record of a competition with its tape, ledger and samples."""

    contents: Contents
    trades: list[Trade]
    ledger: list[Entry]
    samples: list[Sample]


def fetch(place: str) -> dict[str, bytes]:
    """Return the files of a record: from a folder, or from the address of a competition. Raises CannotRead."""
    names = [RECORD, *(f"{kind}.csv" for kind in KINDS)]
    if not place.startswith(("http://", "https://")):
        try:
            return {name: (Path(place) / name).read_bytes() for name in names}
        except OSError as fault:
            raise CannotRead(f"{place} is not the folder of a saved competition: {fault}") from None
    url = place.rstrip("/")
    return {name: _get(f"{url}/record" if name == RECORD else f"{url}/data/{name}") for name in names}


def read(files: dict[str, bytes]) -> Record:
    """Read the files of a record. Raises CannotRead."""
    try:
        return Record(
            contents=msgspec.json.decode(files[RECORD], type=Contents),
            trades=_rows(files["trades.csv"], Trade),
            ledger=_rows(files["ledger.csv"], Entry),
            samples=_rows(files["samples.csv"], Sample),
        )
    except (msgspec.MsgspecError, UnicodeDecodeError, csv.Error) as fault:
        raise CannotRead(f"the record is damaged: {fault}") from None


def _get(url: str) -> bytes:
    try:
        answer = requests.get(url, timeout=_TIMEOUT_S)
    except requests.RequestException as fault:
        raise CannotRead(f"{url} does not answer: {type(fault).__name__}") from None
    if not answer.ok:
        raise CannotRead(f"{url} answers {answer.status_code}: {answer.text[:200]}")
    return answer.content


def _rows(text: bytes, form: type[T]) -> list[T]:
    wanted = {field.name: field for field in msgspec.structs.fields(form)}
    return [
        msgspec.convert(
            {name: _value(value, wanted[name].type) for name, value in row.items() if name in wanted},
            form,
            strict=False,
        )
        for row in csv.DictReader(io.StringIO(text.decode()))
    ]


def _value(text: str, kind: Any) -> str | None:
    return None if text == "" and kind is not str else text
