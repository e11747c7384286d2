"""The route of statements: opening balance, postings and closing balance of an account for a period."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from io import StringIO
from typing import Annotated, Any, Literal

import gevent
from flask import Blueprint, Response
from pydantic import Field

from api.request import query
from api.request.auth import Keys
from api.request.databases import reading
from api.wire.answers import answer
from api.wire.answers_schema import accounts as answers_schema
from api.wire.declaration import Parameter, declared
from api.wire.money import dollars
from api.wire.outgoing import time_of, trade_id
from api.wire.problems import Problem, invalid, not_found
from celery_app.clock import now_us
from db.clearing_data.clients.statements import Posting, Statement, statement
from db.clearing_data.tables import DTCC, EXCHANGE
from db.connect import Database

# Most postings in a statement. The api writes this many at a time, and serves other requests in between.
MOST_POSTINGS = 10_000
AT_ONCE = 500

_FORMATS: tuple[Literal["json", "csv"], ...] = ("json", "csv")
_FORMAT = Parameter("format", Annotated[Literal["json", "csv"], Field()], "json by default")
_COLUMNS = ("entry_id", "timestamp", "kind", "trade_id", "transfer_id", "security_id", "cash", "shares")

# A spreadsheet takes text that begins with one of these for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def routes(*, keys: Keys, clearing_data: Database) -> Blueprint:
    """Return the route."""
    blueprint = Blueprint("statements", __name__)

    @blueprint.get("/accounts/<client_id>/statement")
    @declared(
        "client",
        "A statement of account as JSON or CSV, by default from the opening of the account until now",
        parameters=[query.FROM, query.TO, _FORMAT],
        gives={200: answers_schema.Statement},
        media_types=["application/json", "text/csv"],
    )
    def of_account(client_id: str) -> Response:
        keys.allowed(client_id)
        to_us = query.time_us("to", default=now_us())
        from_us = query.time_us("from", default=0)
        if from_us > to_us:
            raise invalid("?from", "must not be after ?to")
        form = query.choice("format", _FORMATS, default="json")
        with reading(clearing_data) as tx:
            found = statement(
                tx,
                client_id,
                is_house=client_id in (DTCC, EXCHANGE),
                from_us=from_us,
                to_us=to_us,
                most=MOST_POSTINGS,
            )
        if found is None:
            raise not_found("account")
        if found.postings is None:
            raise Problem(
                422,
                "statement_too_long",
                f"a statement has at most {MOST_POSTINGS:,} postings: ask for a shorter period",
            )
        rows = list(_rows(found.postings))
        if form == "csv":
            return _csv(client_id, from_us, to_us, found, rows)
        return answer(
            {
                "client_id": client_id,
                "from": time_of(from_us),
                "to": time_of(to_us),
                "opening": _amounts(found.opening_cents, found.opening_shares),
                "postings": rows,
                "closing": _amounts(found.closing_cents, found.closing_shares),
            }
        )

    return blueprint


# A final settlement also has an event, but no trade.
_OF_TRADES = frozenset({"trade", "fee"})


def _rows(postings: Iterable[Posting]) -> Iterator[dict[str, Any]]:
    for position, posting in enumerate(postings):
        if position % AT_ONCE == 0:
            gevent.sleep(0)
        yield {
            "entry_id": posting.entry_id,
            "timestamp": time_of(posting.booked_us),
            "kind": posting.kind,
            "trade_id": trade_id(posting.event_id) if posting.event_id and posting.kind in _OF_TRADES else None,
            "transfer_id": posting.transfer_id,
            "security_id": posting.security_id,
            "cash": dollars(posting.cash_cents),
            "shares": posting.shares,
        }


def _amounts(cents: int, shares: dict[str, int]) -> dict[str, Any]:
    return {"cash": dollars(cents), "shares": shares}


def _csv(client_id: str, from_us: int, to_us: int, found: Statement, rows: list[dict[str, Any]]) -> Response:
    """Write all rows in the columns of a posting; the kind marks the balances, which have a row for each security."""
    text = StringIO()
    lines = csv.writer(text)
    lines.writerow(_COLUMNS)
    lines.writerows(_balance("opening", from_us, found.opening_cents, found.opening_shares))
    for position, row in enumerate(rows):
        if position % AT_ONCE == 0:
            gevent.sleep(0)
        lines.writerow([_cell(row[name]) for name in _COLUMNS])
    lines.writerows(_balance("closing", to_us, found.closing_cents, found.closing_shares))
    return Response(
        text.getvalue(),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="statement-{client_id}.csv"'},
    )


def _balance(kind: str, at_us: int, cents: int, shares: dict[str, int]) -> Iterator[list[Any]]:
    yield ["", time_of(at_us), kind, "", "", "", dollars(cents), ""]
    for security_id, quantity in shares.items():
        yield ["", time_of(at_us), kind, "", "", _cell(security_id), "", quantity]


def _cell(value: object) -> object:
    """Return a value for a spreadsheet: text that looks like a formula is marked as text."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return "'" + value
    return "" if value is None else value
