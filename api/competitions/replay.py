"""The route of a replay: the book, the trades and the phases of a round that is over, rebuilt from the order log."""

from __future__ import annotations

from typing import Any

import gevent
from flask import Blueprint, Response
from gevent.lock import Semaphore
from msgspec import Raw
from sqlalchemy import Connection

from api.competitions.book_replay import BookReplay
from api.competitions.reads import existing
from api.request import time_limit
from api.request.databases import reading
from api.wire.answers import answer, encode
from api.wire.answers_schema.common import Rows
from api.wire.answers_schema.competitions import Replay, RoundOver
from api.wire.declaration import JSON, declared
from api.wire.outgoing import time_of
from api.wire.problems import Problem, not_found
from db.clearing_data.competition import round_log
from db.clearing_data.competition import rounds as competition_rounds
from db.clearing_data.competition.competitions import Competition
from db.clearing_data.competition.rounds import RoundSecurity
from db.connect import Database

# The number of replays kept, each of some megabytes: a class looks at the same few rounds.
_MOST_KEPT = 6
# The number of commands after which waiting orders go first.
_BETWEEN = 100
# The number of rows encoded at once.
_ROWS = 1_000


def routes(*, clearing_data: Database) -> Blueprint:
    """Return the route."""
    blueprint = Blueprint("replay", __name__)
    # A round that is over does not change.
    made: dict[str, bytes] = {}
    one_at_a_time = Semaphore()

    @blueprint.get("/competitions/<competition_id>/replay/<security_id>")
    @declared(
        "public",
        "A finished round of a security, from the log: every change of its book, every trade and every phase",
        gives={200: Replay},
        refuses=[409],
    )
    def replay(competition_id: str, security_id: str) -> Response:
        with reading(clearing_data) as tx:
            found = existing(tx, competition_id)
            security = _of_round_that_is_over(tx, found, security_id)
        content = made.get(security_id)
        if content is None:
            with one_at_a_time:
                content = made.get(security_id) or encode(_made(clearing_data, found, security))
                made[security_id] = content
                while len(made) > _MOST_KEPT:
                    del made[next(iter(made))]
        return Response(content, content_type=JSON)

    @blueprint.get("/competitions/<competition_id>/replays")
    @declared("public", "The securities of the rounds that are over", gives={200: Rows[RoundOver]})
    def replays(competition_id: str) -> Response:
        with reading(clearing_data) as tx:
            found = existing(tx, competition_id)
            of_competition = competition_rounds.securities(tx, found.number)
            is_over = {round_ for round_ in {one.round for one in of_competition} if _is_over(tx, found, round_)}
        rows = [
            {"round": one.round, "security_id": one.security_id, "name": one.named}
            for one in of_competition
            if one.round in is_over and one.value_cents is not None
        ]
        return answer({"data": rows})

    return blueprint


def _of_round_that_is_over(tx: Connection, found: Competition, security_id: str) -> RoundSecurity:
    """Return the security of a competition. Raises Problem (404, 409)."""
    of_competition = competition_rounds.securities(tx, found.number)
    security = next((one for one in of_competition if one.security_id == security_id), None)
    if security is None:
        raise not_found("security of this competition")
    if not _is_over(tx, found, security.round):
        raise Problem(409, "not_over", "the round is not over yet", retry=True)
    return security


def _is_over(tx: Connection, found: Competition, round_: int) -> bool:
    return found.step == "over" or any(one.round == round_ for one in competition_rounds.results(tx, found.number))


def _made(clearing_data: Database, found: Competition, security: RoundSecurity) -> dict[str, Any]:
    """Replay the round, part by part. Raises Problem (404, 503)."""
    security_id = security.security_id
    time_limit.begin()
    with reading(clearing_data) as tx:
        log = round_log.find(tx, found.number, security.round, security_id, created_us=found.created_us)
    if log is None:
        raise not_found("round of this security")
    rebuilt = BookReplay(log.shard, log.listed)
    after_seq = log.after_seq
    while after_seq < log.last_seq:
        time_limit.begin()
        with reading(clearing_data) as tx:
            commands = round_log.part(tx, log, security_id, after_seq=after_seq)
        for first in range(0, len(commands), _BETWEEN):
            rebuilt.apply(commands[first : first + _BETWEEN])
            gevent.sleep(0)
        after_seq += round_log.PART
    began_us = rebuilt.began_us or found.created_us
    return {
        "competition_id": found.competition_id,
        "round": security.round,
        "security_id": security_id,
        "name": security.named,
        "began_at": time_of(began_us),
        "ended_at": time_of(max(rebuilt.ended_us, began_us)),
        "book": _encoded(rebuilt.book),
        "trades": _encoded(rebuilt.trades),
        "phases": _encoded(rebuilt.phases),
    }


def _encoded(rows: list[list[Any]]) -> Raw:
    """Encode rows some at a time, so that orders go first in between."""
    parts = []
    for first in range(0, len(rows), _ROWS):
        parts.append(encode(rows[first : first + _ROWS])[1:-1])
        gevent.sleep(0)
    return Raw(b"[" + b",".join(parts) + b"]")
