"""Phases and auctions in the feed: what is stored, and what of it is news."""

from __future__ import annotations

import msgspec

from db.connect import Database
from db.market_data import day_store
from tasks.data_feed.rules.day import AuctionState, PhaseState
from tasks.messages import AuctionUpdate, FeedBatch, PhaseChanged, SecurityEvent, SecuritySettled, event_id
from tests.support.feed import NOW_US, pushed

VOLATILITY_AUCTION_US = 10_000_000
_phase_of = msgspec.json.Decoder(PhaseState).decode
_auction_of = msgspec.json.Decoder(AuctionState).decode


def phases_pushed(market_data: Database, *events: SecurityEvent) -> list[PhaseState]:
    batch = FeedBatch("matching", NOW_US, securities=list(events))
    push = pushed(market_data, [batch], taken_us=1, volatility_auction_us=VOLATILITY_AUCTION_US)
    assert push.is_news == bool(push.phases)
    return [_phase_of(stored.data) for stored in push.phases]


def auctions_pushed(market_data: Database, *updates: AuctionUpdate) -> list[AuctionState]:
    push = pushed(market_data, [FeedBatch("matching", NOW_US, auctions=list(updates))], taken_us=1)
    assert push.is_news == bool(push.auctions)
    return [_auction_of(stored.data) for stored in push.auctions]


def test_of_a_securitys_phases_the_one_with_the_highest_event_id_counts(market_data: Database) -> None:
    halted = PhaseChanged(event_id(0, 2, 0), "MSFT", "halted", "admin", None, 2)
    closed = PhaseChanged(event_id(0, 3, 0), "MSFT", "closed", "schedule", 9, 3)
    late = PhaseChanged(event_id(0, 1, 0), "MSFT", "auction", "admin", 5, 1)
    other = PhaseChanged(event_id(1, 1, 0), "AAPL", "halted", "admin", None, 1)
    stored = phases_pushed(market_data, closed, other, halted)
    assert stored == [
        PhaseState("AAPL", 1, other.event_id, "halted", "admin", None, 1),
        PhaseState("MSFT", 1, closed.event_id, "closed", "schedule", 9, 3),
    ]
    assert phases_pushed(market_data, late) == []
    assert phases_pushed(market_data, closed, other) == []
    with market_data.snapshot() as tx:
        assert day_store.phases(tx) == stored


def test_an_auction_that_the_engine_begins_has_an_end(market_data: Database) -> None:
    begun = PhaseChanged(event_id(0, 1, 2), "MSFT", "auction", "volatility", None, 7)
    (stored,) = phases_pushed(market_data, begun)
    assert stored.ends_us == 7 + VOLATILITY_AUCTION_US


def test_a_settled_security_says_so(market_data: Database) -> None:
    closed = PhaseChanged(event_id(0, 1, 0), "MSFT", "closed", "admin", None, 7)
    (stored,) = phases_pushed(market_data, closed, SecuritySettled(event_id(0, 1, 5), "MSFT", 1_234, 7))
    assert (stored.phase, stored.sequence) == ("settled", 1)


def test_of_an_auctions_updates_the_last_one_counts(market_data: Database) -> None:
    first = AuctionUpdate("MSFT", 10_000, 5, 1, "buy", 1)
    second = AuctionUpdate("MSFT", 10_010, 6, 0, None, 2)
    assert auctions_pushed(market_data, first) == [AuctionState("MSFT", 1, 10_000, 5, 1, "buy", 1)]
    assert auctions_pushed(market_data, first) == []
    assert auctions_pushed(market_data, first, second) == [AuctionState("MSFT", 2, 10_010, 6, 0, None, 2)]
    assert auctions_pushed(market_data, first) == []
    nothing = AuctionUpdate("MSFT", None, 0, 0, None, 2)
    assert auctions_pushed(market_data, nothing) == [AuctionState("MSFT", 3, None, 0, 0, None, 2)]
    with market_data.snapshot() as tx:
        assert day_store.auction(tx, "MSFT") == AuctionState("MSFT", 3, None, 0, 0, None, 2)
        assert day_store.auction(tx, "AAPL") is None
