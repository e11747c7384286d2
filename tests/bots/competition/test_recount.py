"""The recount agrees with an honest record, and names what was changed in any other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from bots.competition.record import Contents, Entry, Record, Result, Sample, Security, Team, Trade
from bots.competition.recount import faults
from bots.competition.seeded import final_cents, hidden_value

SEED = "6f1c"
# Two teams and a house bot begin with 1,000.00 and 10 shares; A buys 4 of B at 52.00 and pays a fee; the last is 52.00.
TEAMS = [
    Team(client_id="c1.1", number=1, team="House", is_house=True),
    Team(client_id="c1.2", number=2, team="A", is_house=False),
    Team(client_id="c1.3", number=3, team="B", is_house=False),
]
SECURITY: dict[str, Any] = {"security_id": "ACME", "reference_cents": 50_00, "max_price_cents": 10_000_00}


def entry(account: str, kind: str, cash: int, shares: int, *, event: int | None = None, transfer: str = "") -> Entry:
    return Entry(
        account=account,
        kind=kind,
        security_id="" if kind == "fee" or not (shares or kind == "final_settlement") else "ACME",
        cash_cents=cash,
        shares=shares,
        event_id=event,
        transfer_id=transfer,
    )


def honest() -> Record:
    ledger = []
    for team in TEAMS:
        name = f"c1:1:{team.number}:in"
        ledger.append(entry(team.client_id, "deposit", 1_000_00, 0, transfer=f"{name}:cash"))
        ledger.append(entry(team.client_id, "deposit", 0, 10, transfer=f"{name}:ACME"))
    ledger += [
        entry("c1.2", "trade", -208_00, 4, event=7),
        entry("c1.3", "trade", 208_00, -4, event=7),
        entry("c1.2", "fee", -6, 0, event=7),
    ]
    for account, shares in (("c1.1", 10), ("c1.2", 14), ("c1.3", 6)):
        ledger.append(entry(account, "final_settlement", 0, -shares))
        ledger.append(entry(account, "final_settlement", shares * 52_00, 0))
    # What is withdrawn before a second round is no part of the first one's result.
    ledger.append(entry("c1.3", "withdrawal", -500_00, 0, transfer="c1:2:3:out:cash:0"))
    results = [
        Result(round=1, client_id=account, cash_cents=cash, gain_cents=gain, points=points)
        for account, cash, gain, points in (
            ("c1.1", 152_000, 0, 0),
            ("c1.2", 151_994, -6, 1_00),
            ("c1.3", 152_000, 0, 2_00),
        )
    ]
    standings = [
        {"rank": 1, "client_id": "c1.3", "team": "B", "points": 2.0, "gain": 0.0},
        {"rank": 2, "client_id": "c1.2", "team": "A", "points": 1.0, "gain": -0.06},
    ]
    return Record(
        contents=Contents(
            competition={"competition_id": "c1", "seed_sha256": hashlib.sha256(SEED.encode()).hexdigest()},
            case={
                "cash_cents": 1_000_00,
                "shares": {"ACME": 10},
                "securities": [SECURITY],
                "news": [],
                "scoring": "rank",
                "final": "last",
                "round_us": 60_000_000,
            },
            seed=SEED,
            securities=[Security(round=1, security_id="ACME", named="ACME", value_cents=52_00)],
            teams=TEAMS,
            results=results,
            standings=standings,
        ),
        trades=[Trade(security_id="ACME", sequence=1, event_id=7, price_cents=52_00, quantity=4)],
        ledger=ledger,
        samples=[],
    )


def changed(record: Record, **contents: Any) -> Record:
    return msgspec.structs.replace(record, contents=msgspec.structs.replace(record.contents, **contents))


def with_entry(record: Record, place: int, **changes: Any) -> Record:
    ledger = list(record.ledger)
    ledger[place] = msgspec.structs.replace(ledger[place], **changes)
    return msgspec.structs.replace(record, ledger=ledger)


def test_an_honest_record_agrees() -> None:
    assert list(faults(honest())) == []


def out(**team: Any) -> Record:
    """Return the record with a team that received 300.00 and no shares, which it still has."""
    closed = Team(**{"client_id": "c1.4", "number": 4, "team": "Out", "is_house": False, "is_closed": True} | team)
    record = honest()
    results = [
        *(msgspec.structs.replace(one, points=one.points and one.points + 1_00) for one in record.contents.results),
        Result(round=1, client_id="c1.4", cash_cents=300_00, gain_cents=0, points=3_00),
    ]
    standings: list[dict[str, Any]] = [
        {"rank": 1, "client_id": "c1.3", "team": "B", "points": 3.0, "gain": 0.0},
        {"rank": 1, "client_id": "c1.4", "team": "Out", "points": 3.0, "gain": 0.0},
        {"rank": 3, "client_id": "c1.2", "team": "A", "points": 1.0, "gain": -0.06},
    ]
    results[1] = msgspec.structs.replace(results[1], points=1_00)
    deposit = entry("c1.4", "deposit", 300_00, 0, transfer="c1:1:4:in:cash")
    return msgspec.structs.replace(
        changed(record, teams=[*TEAMS, closed], results=results, standings=standings),
        ledger=[*record.ledger, deposit],
    )


def test_a_team_whose_account_was_closed_neither_gains_nor_loses_what_it_did_not_receive() -> None:
    assert list(faults(out())) == []
    found = list(faults(out(is_closed=False)))
    assert "round 1: Out did not begin with exactly the endowment" in found
    assert any("(30000, -122000, 100)" in fault for fault in found)


CHEATS: list[tuple[str, Callable[[Record], Record]]] = [
    ("SHA-256", lambda record: changed(record, seed="other")),
    ("A did not begin with exactly", lambda record: with_entry(record, 2, cash_cents=1_000_01)),
    ("both sides of the trade 1", lambda record: with_entry(record, 6, cash_cents=-207_00)),
    ("not on the tape", lambda record: msgspec.structs.replace(record, trades=[])),
    (
        "both sides",
        lambda record: msgspec.structs.replace(record, ledger=[e for e in record.ledger if e.kind != "trade"]),
    ),
    (
        "was settled at 5300",
        lambda record: changed(
            record, securities=[Security(round=1, security_id="ACME", named="ACME", value_cents=53_00)]
        ),
    ),
    ("was not paid 14 shares", lambda record: with_entry(record, 12, cash_cents=14 * 52_00 + 1)),
    (
        "A has (151994, -6, 100)",
        lambda record: changed(
            record,
            results=[r for r in record.contents.results if r.points != 100]
            + [Result(round=1, client_id="c1.2", cash_cents=151_994, gain_cents=100, points=300)],
        ),
    ),
    (
        "A has rank 2",
        lambda record: changed(record, standings=[{**row, "rank": 1} for row in record.contents.standings]),
    ),
    ("do not have exactly the teams", lambda record: changed(record, standings=record.contents.standings[:1])),
]


@pytest.mark.parametrize(("named", "cheat"), CHEATS, ids=[named for named, _ in CHEATS])
def test_what_was_changed_is_named(named: str, cheat: Callable[[Record], Record]) -> None:
    assert any(named in fault for fault in faults(cheat(honest()))), list(faults(cheat(honest())))


def test_a_settlement_at_the_hidden_value_follows_from_the_seed() -> None:
    value = final_cents(
        hidden_value(SEED, 1, "ACME", reference=50.0, news=[(10.0, 0.1)]), round_s=60.0, most_cents=10**6
    )
    assert 54_00 < value < 56_00
    news = [{"at_us": 10_000_000, "security_id": "ACME", "change": 0.1, "round": None}]
    case = honest().contents.case | {"final": "value", "news": news}
    found = [fault for fault in faults(changed(honest(), case=case)) if "was settled at" in fault]
    assert found == [f"round 1: ACME was settled at 5200 cents and not at {value}"]


def test_a_team_that_does_not_quote_pays() -> None:
    duty = {"presence": 0.6, "penalty_cents": 100, "max_spread_cents": 10, "quantity": 1}
    case = honest().contents.case | {"duty": duty}
    samples = [Sample(round=1, client_id="c1.2", quotes=n % 2) for n in range(10)]
    record = msgspec.structs.replace(changed(honest(), case=case), samples=samples)
    assert any("A has (151994, -1006, 100)" in fault for fault in faults(record))


def test_news_cannot_lift_a_final_value_above_the_highest_price() -> None:
    soaring = hidden_value(SEED, 1, "ACME", reference=50.0, news=[(float(at), 10.0) for at in range(1, 400)])
    assert final_cents(soaring, round_s=600.0, most_cents=10_000_00) == 10_000_00
