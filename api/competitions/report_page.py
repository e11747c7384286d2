"""The report of a competition as one self-contained page: no scripts, no requests, all text escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from api.competitions.certainty import certainty
from api.competitions.report_parts import money, signed, table
from api.wire.outgoing import time_of
from db.clearing_data.competition.competitions import Competition, Team
from db.clearing_data.competition.rounds import RoundSecurity, Sample
from tasks.referee.rules.case import Case

STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: #1d232b; font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 1060px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 30px; margin: 0; } h3 { font-size: 16px; margin: 20px 0 4px; } h2 { font-size: 20px; margin: 40px 0 8px; border-top: 2px solid #1d232b; padding-top: 12px; }
p { max-width: 78ch; } .lead { font-size: 18px; margin: 4px 0 20px; } .quiet, caption { color: #59626d; }
.podium { display: grid; grid-template-columns: repeat(auto-fit, minmax(210px, 1fr)); gap: 14px; }
.tile { border: 1px solid #d6dbe1; border-radius: 8px; padding: 12px 16px; } .tile.first { border-color: #1d5fc2; background: #eef4fc; }
.tile b { display: block; font-size: 19px; overflow-wrap: anywhere; } .tile strong { font-size: 26px; color: #1d5fc2; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 14px; width: 100%; }
th, td { padding: 5px 9px; text-align: right; border-bottom: 1px solid #e2e6ea; } th:nth-child(2), td:nth-child(2) { text-align: left; min-width: 9em; overflow-wrap: anywhere; }
td:not(:nth-child(2)) { white-space: nowrap; }
thead th { border-bottom: 1.5px solid #1d232b; } .text, .text th, .text td { text-align: left; }
.minus { color: #a3271f; } svg { width: 100%; height: auto; } code { overflow-wrap: anywhere; font-size: 13px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 3px 18px; } dt { color: #59626d; } dd { margin: 0; overflow-wrap: anywhere; }
.legend svg { width: 20px; height: 8px; } .legend { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 13px; }
@media (max-width: 640px) { main { padding: 20px 14px 48px; } h1 { font-size: 24px; } h1, .lead { overflow-wrap: anywhere; } dl { grid-template-columns: minmax(0, 1fr); } dd { margin-bottom: 8px; } svg { overflow: visible; } svg text { font-size: 24px; } }
@media print { main { padding: 0; max-width: none; } h2 { break-after: avoid; } tr, svg, .tile { break-inside: avoid; } }
"""
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

_COLOURS = ("#1d5fc2", "#b2500d", "#09724f", "#8a3ab9", "#b01e5b", "#4d6372", "#7a6a00", "#087990")
_WIDTH, _HEIGHT, _MARGIN = 1000, 260, 60
_SCORING = {
    "gain": "a point for each dollar gained",
    "root": "the signed square root of the gain in dollars, so that one lucky round does not decide",
    "rank": "as many points as there are teams for the first of a round, one less for each rank below",
}
_FINAL = {"last": "the last price", "value": "the hidden value, which follows from the seed"}


class Facts(NamedTuple):
    """The facts in the report; `trades` counts the trades of each security."""

    found: Competition
    teams: Sequence[Team]
    standings: Sequence[Mapping[str, Any]]
    securities: Sequence[RoundSecurity]
    samples: Sequence[Sample]
    trades: Mapping[str, int]


def page(facts: Facts) -> str:
    """Return the report as HTML."""
    found = facts.found
    parts = [
        f"<h1>{escape(found.name)}</h1>",
        f'<p class="lead">{_lead(facts)}</p>',
        f'<div class="podium">{"".join(_tile(row) for row in facts.standings[:3])}</div>',
        "<h2>Standings</h2>",
        _standings(facts),
        "<h2>How certain it is</h2>",
        *certainty(facts.standings),
        *(part for number in range(1, found.round + 1) for part in _round(facts, number)),
        "<h2>Rules and fairness</h2>",
        _rules(found, found.case),
        "<h2>Check it yourself</h2>",
        _data(found),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(found.name)}: report</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(parts)}</main></body></html>"
    )


def _lead(facts: Facts) -> str:
    found = facts.found
    played = len({one["round"] for row in facts.standings for one in row["rounds"]})
    teams, rounds = _count(len(facts.standings), "team"), _count(found.case.rounds, "round")
    said = f"{teams}, {played} of {rounds}, {_count(sum(facts.trades.values()), 'trade')}"
    return f"{said}; {'finished' if found.state == 'finished' else 'stopped by the organiser'}. Created {_when(found)}."


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _when(found: Competition) -> str:
    return f"{time_of(found.created_us)[:16].replace('T', ' at ')} UTC"


def _tile(row: Mapping[str, Any]) -> str:
    kind = "tile first" if row["rank"] == 1 else "tile"
    points = f"{signed(row['points'])} points"
    return (
        f'<div class="{kind}">Rank {row["rank"]}<b>{escape(row["team"])}</b><strong>{points}</strong>'
        f"<br>gain {money(row['gain'])}</div>"
    )


def _standings(facts: Facts) -> str:
    if not facts.standings:
        return '<p class="quiet">No team joined.</p>'
    rounds = sorted({one["round"] for row in facts.standings for one in row["rounds"]})
    head = ["#", "Team", "Points", "Gain", *(f"Round {number}" for number in rounds)]
    rows = [
        [
            str(row["rank"]),
            escape(row["team"]),
            signed(row["points"]),
            money(row["gain"]),
            *(f"{signed(one['points'])} ({money(one['gain'])})" for one in row["rounds"]),
        ]
        for row in facts.standings
    ]
    note = '<p class="quiet">Of each round: points, and in brackets the gain in dollars. Equal points share a rank.</p>'
    return table(head, rows) + note


def _round(facts: Facts, number: int) -> Iterable[str]:
    samples = [one for one in facts.samples if one.round == number]
    securities = [one for one in facts.securities if one.round == number]
    yield f"<h2>Round {number}</h2>"
    yield _curves(facts, samples)
    rows = [
        [
            escape(one.security_id),
            escape(one.named),
            f'<a href="/?replay={facts.found.competition_id}&amp;security={escape(one.security_id)}">look again</a>',
            "not settled" if one.value_cents is None else f"{one.value_cents / 100:,.2f}",
            f"{facts.trades.get(one.security_id, 0):,}",
        ]
        for one in securities
    ]
    yield table(["Id", "Security", "Replay", "Settled at", "Trades"], rows, kind="text")


def _curves(facts: Facts, samples: Sequence[Sample]) -> str:
    """Draw the gains of the best teams over a round, with a legend."""
    best = list(facts.standings[: len(_COLOURS)])
    if len(samples) < 2:
        return '<p class="quiet">The round was too short for a curve.</p>'
    first, last = samples[0].sampled_us, samples[-1].sampled_us
    gains = [one.gains.get(row["client_id"], 0) / 100 for one in samples for row in best]
    low, high = min([0.0, *gains]), max([0.0, *gains])
    room = (high - low) or 1.0

    def x(time_us: int) -> float:
        return _MARGIN + (time_us - first) / max(last - first, 1) * (_WIDTH - _MARGIN)

    def y(dollars: float) -> float:
        return 10 + (high - dollars) / room * (_HEIGHT - 20)

    lines = [
        f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="'
        + " ".join(f"{x(s.sampled_us):.1f},{y(s.gains.get(row['client_id'], 0) / 100):.1f}" for s in samples)
        + '"/>'
        for colour, row in zip(_COLOURS, best, strict=False)
    ]
    marks = [
        f'<text x="{_MARGIN - 6}" y="{y(value) + 4:.1f}" text-anchor="end" font-size="12" fill="#59626d">{signed(round(value))}</text>'
        f'<line x1="{_MARGIN}" x2="{_WIDTH}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="#d6dbe1"/>'
        for value in sorted({low, 0.0, high})
    ]
    legend = "".join(
        f'<li><svg viewBox="0 0 20 8" width="20" height="8" aria-hidden="true"><rect width="20" height="3" y="3" '
        f'fill="{colour}"/></svg> {escape(row["team"])}</li>'
        for colour, row in zip(_COLOURS, best, strict=False)
    )
    drawing = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="Gains of the first teams in dollars">'
    return f'{drawing}{"".join(marks)}{"".join(lines)}</svg><ul class="legend">{legend}</ul>'


def _rules(found: Competition, case: Case) -> str:
    house = ", ".join(f"{one.count} &times; {escape(one.strategy)}" for one in case.house) or "none"
    shares = ", ".join(f"{quantity:,} {escape(name)}" for name, quantity in case.shares.items())
    facts = [
        ("Endowment of each round", f"{case.cash_cents / 100:,.2f} dollars in cash{' and ' if shares else ''}{shares}"),
        ("Gain", f"cash after the settlement less the endowment, both at {_FINAL[case.final]}"),
        ("Points", _SCORING[case.scoring]),
        ("House bots", f"{house}; they are not ranked"),
        ("SHA-256 of the seed, public from the beginning", f"<code>{found.seed_sha256}</code>"),
        *([("Seed", f"<code>{escape(found.seed)}</code>")] if found.state == "finished" else []),
    ]
    if case.duty is not None:
        duty = case.duty
        facts.append(
            (
                "Duty to quote",
                f"{duty.quantity} shares on both sides, at most {duty.max_spread_cents / 100:.2f} apart, for "
                f"{duty.presence:.0%} of a round; each missing percent costs {duty.penalty_cents / 100:.2f}",
            )
        )
    return f"<dl>{''.join(f'<dt>{name}</dt><dd>{text}</dd>' for name, text in facts)}</dl>"


def _data(found: Competition) -> str:
    path = f"/competitions/{found.competition_id}"
    links = ", ".join(
        f'<a href="{path}/data/{kind}.csv">{kind}</a>' for kind in ("trades", "orders", "ledger", "samples")
    )
    return (
        f'<p>All {links} of the competition, and its <a href="{path}/record">record</a>, are public. '
        f"<code>python -m bots verify http://HOST{path}</code> recounts these standings from them; with "
        "<code>--save FOLDER --parquet</code>, it also writes the tables as CSV and Parquet files.</p>"
    )
