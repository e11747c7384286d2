"""Makes the report of a tournament: one self-contained page of HTML, for screen and paper."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from bots.league.play.configuration import Halt, LargeSeller, Latency, League, News
from bots.league.play.duration import written
from bots.league.play.result import Match
from bots.league.reporting import plots
from bots.league.reporting.facts import facts
from bots.league.reporting.saying import chance, dollars, number, percent, shade
from bots.league.reporting.summary import headline, manner, sentences
from bots.league.scoring.standings import Scoreboard
from bots.league.scoring.statistics import ENOUGH_MATCHES
from bots.league.scoring.stylised_facts import describe


def page(league: League, matches: Sequence[Match], board: Scoreboard, *, matches_hash: str, board_hash: str) -> str:
    """Return the report as HTML that needs no other file and no network."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "dollars": dollars,
        "percent": percent,
        "number": number,
        "chance": chance,
        "shade": shade,
        "duration": written,
    }
    first = matches[0]
    names = [standing.name for standing in board.standings]
    own = {name: at for at, name in enumerate(bot.name for bot in first.bots)}
    markets = [_market(matches, security_id) for security_id in first.securities]
    return environment.get_template("report.html").render(
        league=league,
        matches=matches,
        first=first,
        live=first.kind == "live",
        board=board,
        headline=headline(board),
        enough=ENOUGH_MATCHES,
        plots={"gains": plots.gains(board.standings), "curves": plots.curves(matches, names)},
        sentences=sentences(board, {market["security_id"]: market["facts"] for market in markets}),
        best=[(bot, manner(bot)) for bot in board.standings[:3]],
        markets=markets,
        bots=[
            {
                "standing": standing,
                "entry": first.bots[own[standing.name]],
                "plot": plots.bot_in_match(
                    first, first.bots[own[standing.name]], _own_security(first, own[standing.name])
                ),
            }
            for standing in board.standings
        ],
        entries=[(bot, bot.latency or league.latency) for bot in league.everyone],
        events=[(event, _description(event)) for event in sorted(league.events, key=lambda event: event.at)],
        failures=[(match.seed, bot) for match in matches for bot in match.bots if bot.failure is not None],
        latency=_latency,
        matches_hash=matches_hash,
        board_hash=board_hash,
        icon=_icon(),
    )


def _market(matches: Sequence[Match], security_id: str) -> dict[str, Any]:
    described = [describe(match, security_id) for match in matches]
    return {
        "security_id": security_id,
        "described": described,
        "facts": facts(described),
        "plot": plots.market(matches, security_id),
        "returns": plots.returns(described),
    }


def _own_security(match: Match, at: int) -> str:
    """Return the security that a bot traded most often, or the first one."""
    fills = [fill.security_id for fill in match.bots[at].fills]
    return max(match.securities, key=fills.count)


def _description(event: News | Halt | LargeSeller) -> str:
    if isinstance(event, News):
        return f"news: the value of {event.security} changes by {percent(event.change, sign=True)}"
    if isinstance(event, Halt):
        return f"{event.security} is halted for {written(event.lasts)}"
    return (
        f"a large seller sells {event.quantity:,} {event.security} at the market, "
        f"{event.part:,} every {written(event.every)}"
    )


def _latency(latency: Latency) -> str:
    return (
        f"{latency.order_ms:g} ms to the exchange, {latency.feed_ms:g} ms back, "
        f"each plus a random {latency.jitter_ms:g} ms at most"
    )


def _icon() -> str:
    """Return an icon for the browser's tab, so that the browser does not request one."""
    drawn = (
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>"
        "<path d='M2 12l4-5 3 3 5-7' fill='none' stroke='#1f5a99' stroke-width='2'/></svg>"
    )
    return "data:image/svg+xml;base64," + base64.b64encode(drawn.encode()).decode()
