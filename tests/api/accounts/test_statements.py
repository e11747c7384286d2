"""Statements of account over HTTP."""

from __future__ import annotations

import csv

import pytest
from sqlalchemy import text

from api.accounts import statements
from db.clearing_data.clients import accounts
from db.connect import Database
from tests.api.accounts.test_clearing import trade
from tests.api.conftest import Keys
from tests.support.web import Api, problem

FROM, TO = "2023-11-14T22:13:20Z", "2023-11-14T22:13:20.000001Z"  # the microsecond in which all trades are settled


@pytest.fixture
def traded(clearing_data: Database) -> None:
    trade(clearing_data, ("sell", "SINGLE", 10, 10_000), ("buy", "FLOOD", 10, 10_000))


@pytest.mark.usefixtures("traded")
def test_a_statement_leads_from_the_opening_to_the_closing_balance(api: Api, keys: Keys) -> None:
    found = api.ask("GET", "/accounts/SINGLE/statement", key=keys.single).json()
    assert found.keys() == {"client_id", "from", "to", "opening", "postings", "closing"}
    assert found["opening"] == {"cash": 0, "shares": {}}
    assert found["closing"] == {"cash": 11_000, "shares": {"MSFT": 990}}
    assert [(one["kind"], one["cash"], one["shares"]) for one in found["postings"]] == [
        ("deposit", 10_000, 0),
        ("deposit", 0, 1_000),
        ("trade", 1_000, -10),
    ]
    assert [one["transfer_id"] for one in found["postings"]] == ["opening:SINGLE", "opening:SINGLE:MSFT", None]
    assert found["postings"][2]["trade_id"] == "0-2-0"


@pytest.mark.usefixtures("traded")
def test_a_statement_of_a_period_has_the_postings_of_that_period(api: Api, keys: Keys) -> None:
    """The accounts are opened at the time of the test, which is later than the trade."""
    within = api.ask("GET", f"/accounts/SINGLE/statement?from={FROM}&to={TO}", key=keys.admin).json()
    assert [one["kind"] for one in within["postings"]] == ["trade"]
    assert within["opening"] == {"cash": 0, "shares": {}}
    assert within["closing"] == {"cash": 1_000, "shares": {"MSFT": -10}}
    after = api.ask("GET", f"/accounts/SINGLE/statement?from={TO}", key=keys.admin).json()
    assert after["opening"] == within["closing"]
    assert after["closing"] == {"cash": 11_000, "shares": {"MSFT": 990}}


@pytest.mark.usefixtures("traded")
@pytest.mark.parametrize(
    ("start", "end", "kinds"),
    [
        ("2023-11-14T22:13:20.000000000Z", "2023-11-14T22:13:20.000001000Z", ["trade"]),
        ("2023-11-14T22:13:19.999999001Z", "2023-11-14T22:13:20.000000001Z", ["trade"]),
        ("2023-11-14T22:13:20.000000001Z", "2023-11-14T22:13:20.5Z", []),
        ("2023-11-14T22:13:19Z", "2023-11-14T22:13:20.000000000Z", []),
        ("2023-11-14t22:13:20z", "2023-11-14t22:13:20.123456789z", ["trade"]),
        ("2023-11-14T23:43:20+01:30", "2023-11-14T18:13:21-04:00", ["trade"]),
    ],
)
def test_52_times_as_rfc_3339_writes_them(api: Api, keys: Keys, start: str, end: str, kinds: list[str]) -> None:
    asked = {"from": start, "to": end}
    answer = api.ask("GET", "/accounts/SINGLE/statement", key=keys.admin, params=asked)
    assert answer.status_code == 200, answer.text
    assert [one["kind"] for one in answer.json()["postings"]] == kinds


@pytest.mark.usefixtures("traded")
def test_the_house_has_statements_too(api: Api, keys: Keys) -> None:
    found = api.ask("GET", f"/accounts/DTCC/statement?from={FROM}&to={TO}", key=keys.admin).json()
    assert [(one["cash"], one["shares"]) for one in found["postings"]] == [(1_000, -10), (-1_000, 10)]
    assert found["opening"] == found["closing"]


@pytest.mark.usefixtures("traded")
def test_a_statement_as_csv(api: Api, keys: Keys, clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        accounts.deposit_cash(tx, "SINGLE", "-1+cmd", amount_cents=5, now_us=1)
    answer = api.ask("GET", "/accounts/SINGLE/statement?format=csv", key=keys.single)
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="statement-SINGLE.csv"'
    lines = list(csv.DictReader(answer.text.splitlines()))
    assert list(lines[0]) == [
        "entry_id",
        "timestamp",
        "kind",
        "trade_id",
        "transfer_id",
        "security_id",
        "cash",
        "shares",
    ]
    assert [line["kind"] for line in lines] == [
        "opening",
        "deposit",
        "deposit",
        "trade",
        "deposit",
        "closing",
        "closing",
    ]
    assert lines[4]["transfer_id"] == "'-1+cmd"  # no spreadsheet takes it for a formula
    assert [(line["cash"], line["security_id"], line["shares"]) for line in lines[-2:]] == [
        ("11000.05", "", ""),
        ("", "MSFT", "990"),
    ]


def test_a_statement_that_is_too_long_is_refused(api: Api, keys: Keys, clearing_data: Database) -> None:
    with clearing_data.transaction() as tx:
        tx.execute(
            text(
                "INSERT INTO ledger (kind, account, contra_account, cash_cents, shares, booked_us) "
                "SELECT 'deposit', 'SINGLE', 'EXTERNAL', 0, 0, n FROM generate_series(1, :count) AS n"
            ),
            {"count": statements.MOST_POSTINGS},
        )
    answer = api.ask("GET", "/accounts/SINGLE/statement", key=keys.single)
    assert (answer.status_code, problem(answer)["code"]) == (422, "statement_too_long")
    shorter = api.ask("GET", "/accounts/SINGLE/statement?to=1970-01-01T00:00:00.010001Z", key=keys.single)
    assert len(shorter.json()["postings"]) == statements.MOST_POSTINGS


def test_a_statement_is_for_its_client_and_the_admin(api: Api, keys: Keys) -> None:
    assert api.ask("GET", "/accounts/SINGLE/statement", key=keys.flood).status_code == 403
    assert api.ask("GET", "/accounts/NOBODY/statement", key=keys.admin).status_code == 404
    for wrong in ("format=pdf", "from=now", f"from={TO}&to={FROM}"):
        answer = api.ask("GET", f"/accounts/SINGLE/statement?{wrong}", key=keys.single)
        assert (answer.status_code, problem(answer)["code"]) == (422, "validation_error")
