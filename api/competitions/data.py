"""Routes of the data of a finished competition: its record, and its trades, orders, ledger and samples as CSV.

Once the competition is over, all of it is public, so that everyone can recount the standings; earlier, it would show
teams what their competitors do.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import msgspec
from flask import Blueprint, Response
from sqlalchemy import Connection

from api.competitions.forms import standings_of
from api.competitions.reads import existing, form_of
from api.request import time_limit
from api.request.databases import reading
from api.wire.answers import answer
from api.wire.answers_schema.common import Document
from api.wire.declaration import declared
from api.wire.problems import Problem, not_found
from db.clearing_data.competition import competitions
from db.clearing_data.competition import records as competition_records
from db.clearing_data.competition import rounds as competition_rounds
from db.clearing_data.competition.competitions import Competition
from db.clearing_data.competition.records import KeptEntry, KeptOrder
from db.connect import Database
from db.market_data import reads
from tasks.data_feed.rules.rows import Trade

KINDS = ("trades", "orders", "ledger", "samples")

# The number of rows that are read at once.
PART = 5_000
_CSV = "text/csv"

Row = TypeVar("Row")


def routes(*, clearing_data: Database, market_data: Database) -> Blueprint:
    """Return the routes."""
    blueprint = Blueprint("competition_data", __name__)

    @blueprint.get("/competitions/<competition_id>/record")
    @declared(
        "public",
        "Everything that decided a competition that is over: case, seed, teams, values, results",
        gives={200: Document},
        refuses=[409],
    )
    def record(competition_id: str) -> Response:
        with reading(clearing_data) as tx:
            found = over(existing(tx, competition_id))
            teams, securities = competitions.teams(tx, found.number), competition_rounds.securities(tx, found.number)
            results = competition_rounds.results(tx, found.number)
            closed = competition_rounds.received(tx, found.number, found.competition_id, found.round)
            content = {
                "competition": form_of(tx, found),
                "case": msgspec.json.decode(msgspec.json.encode(found.case)),
                "seed": found.seed,
                "securities": [one._asdict() for one in securities],
                "teams": [one._asdict() | {"is_closed": one.client_id in closed} for one in teams],
                "results": [one._asdict() for one in results],
                "standings": standings_of(teams, results, {}),
            }
        return answer(content)

    @blueprint.get("/competitions/<competition_id>/data/<kind>.csv")
    @declared(
        "public",
        "All trades, orders, entries of the ledger or samples of a competition that is over",
        gives={200: str},
        refuses=[409],
        media_types=[_CSV],
    )
    def data(competition_id: str, kind: str) -> Response:
        if kind not in KINDS:
            raise not_found("kind of data")
        with reading(clearing_data) as tx:
            found = over(existing(tx, competition_id))
            accounts = [team.client_id for team in competitions.teams(tx, found.number)]
            securities = [one.security_id for one in competition_rounds.securities(tx, found.number)]
        rows: Iterable[Iterable[object]]
        if kind == "trades":
            rows = _trades(market_data, securities)
        elif kind == "orders":
            rows = _orders(clearing_data, accounts)
        elif kind == "ledger":
            rows = _ledger(clearing_data, accounts)
        else:
            rows = _samples(clearing_data, found)
        headers = {"Content-Disposition": f'attachment; filename="{found.competition_id}-{kind}.csv"'}
        return Response(_lines(rows), headers=headers, content_type=f"{_CSV}; charset=utf-8")

    return blueprint


def over(found: Competition) -> Competition:
    """Return the competition if it is over. Raises Problem (409)."""
    if found.step != "over":
        raise Problem(409, "not_over", "the competition is not over yet", retry=True)
    return found


def _lines(rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """Yield rows as CSV, several thousand at a time."""
    out = io.StringIO()
    writer = csv.writer(out)
    for count, row in enumerate(rows, start=1):
        writer.writerow(row)
        if count % PART == 0:
            yield out.getvalue()
            out.seek(0)
            out.truncate()
    yield out.getvalue()


def _trades(market_data: Database, securities: Iterable[str]) -> Iterator[Iterable[object]]:
    def after(tx: Connection, security_id: str, last: Trade | None) -> list[Trade]:
        return reads.trades_after(tx, security_id, after=last.sequence if last else 0, limit=PART)

    yield Trade.__struct_fields__
    yield from map(msgspec.structs.astuple, _all(market_data, securities, after))


def _orders(clearing_data: Database, accounts: Iterable[str]) -> Iterator[Iterable[object]]:
    def after(tx: Connection, client_id: str, last: KeptOrder | None) -> list[KeptOrder]:
        return competition_records.orders_after(tx, client_id, order_id=last.order_id if last else 0, limit=PART)

    yield KeptOrder._fields
    yield from _all(clearing_data, accounts, after)


def _ledger(clearing_data: Database, accounts: Iterable[str]) -> Iterator[Iterable[object]]:
    def after(tx: Connection, client_id: str, last: KeptEntry | None) -> list[KeptEntry]:
        booked_us, entry_id = (last.booked_us, last.entry_id) if last else (0, 0)
        return competition_records.entries_after(tx, client_id, booked_us=booked_us, entry_id=entry_id, limit=PART)

    yield KeptEntry._fields
    yield from _all(clearing_data, accounts, after)


def _all(
    database: Database, names: Iterable[str], after: Callable[[Connection, str, Row | None], list[Row]]
) -> Iterator[Row]:
    """Yield all rows of each name, in several reads.

    after  reads up to PART rows of a name after its last one, None at the beginning
    """
    for name in names:
        last = None
        while True:
            time_limit.begin()
            with reading(database) as tx:
                part = after(tx, name, last)
            yield from part
            if len(part) < PART:
                break
            last = part[-1]


def _samples(clearing_data: Database, found: Competition) -> Iterator[Iterable[object]]:
    yield ("round", "sampled_us", "client_id", "gain_cents", "quotes")
    with reading(clearing_data) as tx:
        samples = competition_rounds.samples(tx, found.number)
    for one in samples:
        for client_id, gain in one.gains.items():
            yield one.round, one.sampled_us, client_id, gain, (one.quotes or {}).get(client_id, "")
