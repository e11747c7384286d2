"""The report of a tournament: one page of HTML with everything in it, to be read on a screen or on paper."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from bots.league import plots
from bots.league.configuration import Halt, LargeSeller, Latency, League, News
from bots.league.duration import written
from bots.league.facts import facts
from bots.league.result import Match
from bots.league.standings import Scoreboard
from bots.league.stylised_facts import describe

MINUS = "\N{MINUS SIGN}"
NONE = "\N{EN DASH}"


def page(league: League, matches: Sequence[Match], board: Scoreboard, *, matches_hash: str, board_hash: str) -> str:
    """The report as HTML that needs no other file and no network."""
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
    return environment.get_template("report.html").render(
        league=league,
        matches=matches,
        first=first,
        live=first.kind == "live",
        board=board,
        headline=headline(board),
        plots={"gains": plots.gains(board.standings), "curves": plots.curves(matches, names)},
        markets=[_market(matches, security_id) for security_id in first.securities],
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
        entries=[(bot, bot.latency or league.latency) for bot in league.bots],
        events=[(event, _said(event)) for event in sorted(league.events, key=lambda event: event.at)],
        failures=[(match.seed, bot) for match in matches for bot in match.bots if bot.failure is not None],
        latency=_latency,
        matches_hash=matches_hash,
        board_hash=board_hash,
        icon=_icon(),
    )


def headline(board: Scoreboard) -> str:
    """What one wants to know first, in a sentence."""
    best = board.standings[0]
    said = f"{best.name} came first with {dollars(best.gain_cents.mean)} a match more than holding would have brought"
    if len(board.standings) < 2:
        return f"{said}."
    surely = board.better[0][1]
    second = board.standings[1].name
    if surely is None:
        return f"{said}; {second} came second. A single match proves little."
    sure = "surely" if surely >= 0.975 else "probably" if surely >= 0.8 else "perhaps"
    return f"{said}; it is {sure} better than {second}, the second (probability {chance(surely)})."


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
    """The security that a bot traded most in, or the first one."""
    fills = [fill.security_id for fill in match.bots[at].fills]
    return max(match.securities, key=fills.count)


def _said(event: News | Halt | LargeSeller) -> str:
    """A scheduled event in words."""
    if isinstance(event, News):
        return f"news: the value of {event.security} changes by {percent(event.change, sign=True)}"
    if isinstance(event, Halt):
        return f"{event.security} is halted for {written(event.lasts)}"
    return (
        f"somebody sells {event.quantity:,} {event.security} at the market, {event.part:,} every {written(event.every)}"
    )


def _latency(latency: Latency) -> str:
    return f"{latency.order_ms:g} ms there, {latency.feed_ms:g} ms back, up to {latency.jitter_ms:g} ms by chance"


# -- how numbers are written -------------------------------------------------------------------------------------------


def dollars(cents: float | None, *, sign: bool = False) -> str:
    """Whole dollars from a hundred on, cents below."""
    if cents is None:
        return NONE
    amount = cents / 100
    text = f"{abs(amount):,.0f}" if abs(amount) >= 99.995 else f"{abs(amount):,.2f}"
    return f"{_sign(amount, shown=sign)}${text}"


def percent(fraction: float | None, digits: int = 2, *, sign: bool = False) -> str:
    """A fraction as a percentage."""
    if fraction is None:
        return NONE
    return f"{_sign(fraction, shown=sign)}{abs(fraction):.{digits}%}".replace("%", " %")


def number(value: float | None, digits: int = 1) -> str:
    """A number with so many digits, thousands apart."""
    return NONE if value is None else f"{_sign(value)}{abs(value):,.{digits}f}"


def chance(probability: float | None) -> str:
    """A probability; what was never drawn is not impossible."""
    if probability is None:
        return ""
    return (
        ">99 %" if probability > 0.995 else "<1 %" if probability < 0.005 else f"{probability:.0%}".replace("%", " %")
    )


def shade(probability: float | None) -> str:
    """The background of a probability: the surer, the deeper; blue for better, orange for worse."""
    if probability is None:
        return "#ffffff"
    colour = (31, 90, 153) if probability >= 0.5 else (200, 80, 30)
    depth = abs(probability - 0.5) * 2 * 0.42
    return "#" + "".join(f"{round(255 + (part - 255) * depth):02x}" for part in colour)


def _sign(value: float, *, shown: bool = False) -> str:
    return MINUS if value < 0 else "+" if shown and value > 0 else ""


def _icon() -> str:
    """A mark for the browser's tab, so that it does not ask for one."""
    drawn = (
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>"
        "<path d='M2 12l4-5 3 3 5-7' fill='none' stroke='#1f5a99' stroke-width='2'/></svg>"
    )
    return "data:image/svg+xml;base64," + base64.b64encode(drawn.encode()).decode()
