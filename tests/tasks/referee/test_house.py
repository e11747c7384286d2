"""What house bots are given: their securities in turn, seeds that follow from that of the competition, first prices."""

from __future__ import annotations

import msgspec

from bots.competition.house_bot import HiddenValue, RoundValue
from bots.competition.seeded import hidden_value
from db.clearing_data.competition.competitions import Competition, Team
from tasks.referee.house import specs
from tasks.referee.rules.case import CaseNews
from tests.tasks.referee.rules.cases import ACME, case

BETA = msgspec.structs.replace(ACME, security_id="BETA", reference_cents=20_00)
NEWS = [
    CaseNews(at_us=10_000_000, headline="up", security_id="BETA", change=0.1),
    CaseNews(at_us=20_000_000, headline="down", security_id="BETA", change=-0.1, round=1),
    CaseNews(at_us=30_000_000, headline="nothing", security_id="BETA"),
]


def competition(seed: str = "6f1c") -> Competition:
    return Competition(
        number=1,
        competition_id="c1",
        name="A case",
        state="running",
        step="trading",
        round=2,
        ends_us=None,
        step_ends_us=None,
        trading_us=5_000_000,
        paused_us=None,
        created_us=0,
        seed=seed,
        case=case(rounds=2, securities=[ACME, BETA], news=NEWS),
    )


def team(number: int, strategy: str | None, **options: object) -> Team:
    return Team(f"c1.{number}", number, f"team {number}", strategy is not None, strategy, dict(options), 0)


TEAMS = [
    team(1, "zero_intelligence", every_s=0.5),
    team(2, "informed"),
    team(3, "pairs"),
    team(4, "informed", start=7.0),
    team(5, None),
]
IDS = {"ACME": "ACME.2", "BETA": "BETA.2"}


def test_each_house_bot_has_a_security_in_turn_and_its_reference_price() -> None:
    found = specs(competition(), TEAMS, IDS, url="http://x")
    assert {name: spec.securities for name, spec in found.items()} == {
        "c1.1": ["ACME.2"],
        "c1.2": ["BETA.2"],
        "c1.3": ["ACME.2", "BETA.2"],
        "c1.4": ["BETA.2"],
    }
    assert found["c1.1"].options == {"worth": 50.0, "every_s": 0.5}
    assert found["c1.2"].options == {"start": 20.0}
    assert found["c1.4"].options == {"start": 7.0}
    assert found["c1.2"].hidden == HiddenValue(
        seed="6f1c", round=2, name="BETA", reference=20.0, news=[(10.0, 0.1)], began_s=5.0, round_s=60.0
    )


def test_seeds_differ_between_bots_and_follow_from_the_seed() -> None:
    seeds = [spec.seed for spec in specs(competition(), TEAMS, IDS, url="").values()]
    assert len(set(seeds)) == 4
    assert seeds == [spec.seed for spec in specs(competition(), TEAMS, IDS, url="").values()]
    assert seeds != [spec.seed for spec in specs(competition("other"), TEAMS, IDS, url="").values()]


def test_a_hidden_value_goes_by_the_time_of_the_round_and_stays_at_its_end() -> None:
    value = hidden_value("6f1c", 1, "ACME", reference=50.0, news=[(10.0, 0.1)])
    seen = RoundValue(value, ahead_s=-5.0, round_s=60.0)
    assert seen.value(3.0) == value.value(-2.0) == value.value(0.0)
    assert seen.value(20.0) == value.value(15.0) > 54
    assert seen.value(1_000.0) == value.value(60.0)
