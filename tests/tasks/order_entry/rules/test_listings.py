"""Listing, delisting and settling securities, and their bands: the rules, and what becomes of them in the database."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from db.clearing_data.clients import accounts
from db.clearing_data.listing import securities
from db.clearing_data.tables import DTCC
from db.connect import Database
from tasks.audit.clearing.money import check_conservation
from tasks.messages import (
    BandRequest,
    DelistRequest,
    DelistSecurity,
    ListRequest,
    ListSecurity,
    Request,
    SetBand,
    SettleRequest,
    SettleSecurity,
    decode_command,
    event_id,
)
from tasks.order_entry.admit import Admission, admit
from tasks.order_entry.rules.decide import decide
from tasks.order_entry.rules.security_changes import NewSettlement
from tests.support.entry import LIMITS, assert_books_hold
from tests.support.entry import order as an_order
from tests.tasks.order_entry.rules.desks import NOW_US, desk, order, reasons


def listing(number: int = 900, security_id: str = "ACME", **terms: object) -> ListRequest:
    fields = {
        "reference_cents": 5_000,
        "tick_cents": 5,
        "min_price_cents": 5,
        "max_price_cents": 100_000,
        "issued_shares": 1_000,
        "maker_fee_ppm": 0,
        "taker_fee_ppm": 0,
        "band_ppm": 50_000,
        "received_us": 5,
    }
    return ListRequest(number, security_id, **fields | terms)


def delisting(security_id: str = "MSFT", number: int = 901) -> DelistRequest:
    return DelistRequest(number, security_id, 5)


def settlement(security_id: str = "MSFT", number: int = 902) -> SettleRequest:
    return SettleRequest(number, security_id, "final-1", 1_234, 5)


def band(band_ppm: int | None, security_id: str = "MSFT") -> BandRequest:
    return BandRequest(903, security_id, band_ppm, 5)


# -- rules -----------------------------------------------------------------------------------------------------------


def test_a_security_is_listed_on_the_shard_that_has_the_fewest() -> None:
    entry = desk()
    entry.changes.load.update({0: 5, 1: 1, 2: 2})
    names = ["A", "B", "C"]
    found = [decide(entry, listing(number, name)).shard for number, name in enumerate(names, 900)]
    assert found == [1, 1, 2]
    assert decide(entry, listing(903, "D")).command == ListSecurity(903, "D", 5_000, 5, 5, 100_000, 50_000, NOW_US)
    assert reasons(
        entry, order(1, security_id="A", price_cents=5_005), order(2, security_id="A", price_cents=5_001)
    ) == [
        None,
        "price_off_tick",
    ]


@pytest.mark.parametrize(
    ("terms", "refusal"),
    [
        ({"reference_cents": 5_001}, "price_off_tick"),
        ({"reference_cents": 1_000_000}, "price_out_of_band"),
        ({"security_id": "OLD"}, "security_exists"),
        ({"max_price_cents": 10**9, "issued_shares": 10**9 + 1}, "worth_too_large"),
    ],
)
def test_a_listing_that_cannot_be_is_denied(terms: dict[str, object], refusal: str) -> None:
    entry = desk()
    entry.changes.load[0] = 1
    entry.changes.ever_listed.add("OLD")
    assert reasons(entry, listing(**terms)) == [refusal]


def test_an_id_is_given_once() -> None:
    entry = desk()
    entry.changes.load[0] = 1
    assert reasons(entry, listing(900), listing(901)) == [None, "security_exists"]


def test_a_security_without_open_orders_can_be_delisted() -> None:
    entry = desk()
    found = decide(entry, delisting("AAPL"))
    assert (found.command, found.shard) == (DelistSecurity(901, "AAPL", NOW_US), 1)
    assert reasons(entry, order(1, security_id="AAPL"), delisting("AAPL")) == ["unknown_security"] * 2


def test_one_with_open_orders_cannot() -> None:
    entry = desk()
    entry.changes.busy.add("AAPL")
    assert reasons(entry, delisting("AAPL"), order(1), delisting("MSFT")) == ["orders_open", None, "orders_open"]


def test_issued_shares_are_settled_at_what_can_be_booked() -> None:
    entry = desk()
    entry.changes.load[0] = 1
    assert reasons(entry, listing(issued_shares=10**12, max_price_cents=10**6)) == [None]
    worth_too_much = SettleRequest(903, "ACME", "final-1", 10**6 + 1, 5)
    assert reasons(entry, worth_too_much, settlement("ACME")) == ["worth_too_large", None]


def test_a_security_is_settled_once_and_takes_nothing_after_it() -> None:
    entry = desk()
    assert decide(entry, settlement()).command == SettleSecurity(902, "MSFT", 1_234, NOW_US)
    assert entry.changes.settlements == {"MSFT": NewSettlement("final-1", 1_234)}
    assert entry.changes.phases["MSFT"].phase == "closed"
    assert reasons(entry, order(1), settlement(), delisting(), band(1)) == ["closed", "settled", "settled", "settled"]


def test_a_band_changes() -> None:
    entry = desk()
    assert decide(entry, band(200_000)).command == SetBand(903, "MSFT", 200_000, NOW_US)
    assert reasons(entry, band(None), band(1, "XXXX")) == [None, "unknown_security"]
    assert entry.changes.bands == {"MSFT": None}


# -- in the database -------------------------------------------------------------------------------------------------


def enter(clearing_data: Database, *requests: Request, now_us: int = 1_000) -> Admission:
    return admit(clearing_data, requests, limits=LIMITS, now_us=now_us)


def denied(clearing_data: Database) -> dict[int, tuple[str, bool]]:
    with clearing_data.transaction() as tx:
        rows = tx.execute(text("SELECT * FROM denials"))
        return {row.command_id: (row.reason, row.report is not None) for row in rows}


def test_a_listed_security_is_there_with_all_its_shares(clearing_data: Database) -> None:
    admission = enter(clearing_data, listing(1, taker_fee_ppm=500), an_order(2, security_id="ACME", price_cents=5_000))
    assert [type(command).__name__ for batch in admission.commands for command in batch.commands] == [
        "ListSecurity",
        "PlaceOrder",
    ]
    with clearing_data.transaction() as tx:
        [acme] = [one for one in securities.listed(tx) if one.security_id == "ACME"]
        assert (acme.shard, acme.reference_price_cents, acme.last_price_cents, acme.band_ppm) == (
            1,
            5_000,
            5_000,
            50_000,
        )
        assert (acme.phase, acme.phase_cause, acme.taker_fee_ppm) == ("continuous", None, 500)
        assert accounts.holding(tx, DTCC, "ACME").shares == 1_000
        assert check_conservation(tx).findings == []
        assert_books_hold(tx)


def test_the_same_listing_again_changes_nothing(clearing_data: Database) -> None:
    first = enter(clearing_data, listing(1))
    assert enter(clearing_data, listing(1)).commands == first.commands
    assert enter(clearing_data, listing(2)).commands == []
    assert denied(clearing_data) == {2: ("security_exists", False)}


def test_200_securities_are_spread_over_the_shards_by_many_workers(clearing_data: Database) -> None:
    with ThreadPoolExecutor(4) as workers:
        list(workers.map(lambda n: enter(clearing_data, listing(n, f"S{n // 2}")), range(2, 402)))  # each twice
    with clearing_data.transaction() as tx:
        listed = securities.listed(tx)
        assert len(listed) == 205
        assert sorted(Counter(one.shard for one in listed).values()) == [102, 103]
        assert check_conservation(tx).findings == []
        assert_books_hold(tx)
    assert len(denied(clearing_data)) == 200


def test_a_delisted_security_stays_readable_and_its_id_is_taken(clearing_data: Database) -> None:
    enter(clearing_data, an_order(1, security_id="SHEL"), an_order(2, security_id="SHEL"))
    enter(clearing_data, delisting("SHEL", 3))
    with clearing_data.transaction() as tx:
        tx.execute(text("DELETE FROM open_orders"))  # as order execution does
        tx.execute(text("UPDATE orders SET status = 'cancelled'"))
    enter(clearing_data, delisting("SHEL", 4), listing(5, "SHEL"), an_order(6, security_id="SHEL"))
    assert denied(clearing_data) == {
        3: ("orders_open", False),
        5: ("security_exists", False),
        6: ("unknown_security", True),
    }
    with clearing_data.transaction() as tx:
        assert "SHEL" not in {one.security_id for one in securities.listed(tx)}
        [shel] = [one for one in securities.ever_listed(tx) if one.security_id == "SHEL"]
        assert shel.phase == "closed"


def test_a_settlement_closes_the_security_at_once(clearing_data: Database) -> None:
    enter(clearing_data, an_order(1), settlement("MSFT", 2), an_order(3))
    with clearing_data.transaction() as tx:
        assert securities.final_settlement(tx, "MSFT") == ("final-1", 1_234)
        assert securities.final_settlement(tx, "AAPL") is None
        [(phase, event, command)] = tx.execute(
            text(
                "SELECT phase, phase_event_id, command FROM securities CROSS JOIN order_log "
                "WHERE security_id = 'MSFT' AND command_id = 2"
            )
        )
        assert (phase, event, type(decode_command(command))) == ("closed", event_id(0, 2, 0), SettleSecurity)
    assert denied(clearing_data) == {3: ("closed", True)}
    assert enter(clearing_data, settlement("MSFT", 4)).commands == []
    assert denied(clearing_data)[4] == ("settled", False)


def test_shares_of_a_settled_security_can_be_had_no_more(clearing_data: Database) -> None:
    enter(clearing_data, settlement("MSFT", 1))
    with clearing_data.transaction() as tx:
        assert (
            accounts.deposit_shares(tx, "SINGLE", "more", security_id="MSFT", quantity=1, now_us=2)
            == "unknown_security"
        )
        assert accounts.withdraw_shares(tx, "SINGLE", "less", security_id="MSFT", quantity=1, now_us=2) == "booked"


def test_a_band_is_written(clearing_data: Database) -> None:
    enter(clearing_data, BandRequest(1, "MSFT", 100_000, 5), BandRequest(2, "AAPL", None, 5))
    with clearing_data.transaction() as tx:
        assert {one.security_id: one.band_ppm for one in securities.listed(tx)}["MSFT"] == 100_000
