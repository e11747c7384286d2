"""The route of a competition's report."""

from __future__ import annotations

from flask import Blueprint, Response

from api.competitions.data import over
from api.competitions.forms import standings_of
from api.competitions.reads import existing
from api.competitions.report_page import POLICY, Facts, page
from api.request.databases import reading
from api.wire.declaration import declared
from db.clearing_data.competition import competitions
from db.clearing_data.competition import rounds as competition_rounds
from db.connect import Database
from db.market_data import reads

# The number of reports kept, each of some hundred kilobytes.
_MOST_KEPT = 20


def routes(*, clearing_data: Database, market_data: Database) -> Blueprint:
    """Return the route."""
    blueprint = Blueprint("competition_report", __name__)
    # The report of a competition that is over does not change.
    written: dict[str, str] = {}

    @blueprint.get("/competitions/<competition_id>/report")
    @declared(
        "public",
        "The report of a competition that is over, as one page",
        gives={200: str},
        refuses=[409],
        media_types=["text/html"],
    )
    def report(competition_id: str) -> Response:
        content = written.get(competition_id)
        if content is None:
            if len(written) >= _MOST_KEPT:
                written.clear()
            content = written[competition_id] = page(facts_of(competition_id))
        headers = {
            "Content-Security-Policy": POLICY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }
        return Response(content, headers=headers, content_type="text/html; charset=utf-8")

    def facts_of(competition_id: str) -> Facts:
        """Read the facts. Raises Problem (404, 409, 503)."""
        with reading(clearing_data) as tx:
            found = over(existing(tx, competition_id))
            teams, securities = competitions.teams(tx, found.number), competition_rounds.securities(tx, found.number)
            standings = standings_of(teams, competition_rounds.results(tx, found.number), {})
            samples = competition_rounds.samples(tx, found.number)
        with reading(market_data) as tx:
            last = {one.security_id: reads.trades(tx, one.security_id, limit=1) for one in securities}
        # The trades of a security are numbered from 1.
        trades = {security_id: newest[0].sequence if newest else 0 for security_id, newest in last.items()}
        return Facts(found, teams, standings, securities, samples, trades)

    return blueprint
