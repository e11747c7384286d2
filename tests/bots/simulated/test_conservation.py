"""`require_conserved` finds and names each fault with which an exchange can end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bots.simulated.conservation import ConservationError, require_conserved
from bots.simulated.exchange import Exchange
from tests.bots.simulated.test_exchange import denial, exchange, order


@pytest.fixture
def traded() -> Exchange:
    """Make an exchange where ANN has bought 10 MSFT from BOB and bids for 5 more, and CID offers 7."""
    ours = exchange()
    for request in (
        order(1, "ANN", "buy", 15, 10_000),
        order(2, "BOB", "sell", 10, 10_000),
        order(3, "CID", "sell", 7, 10_100),
    ):
        assert denial(ours, request) is None
    require_conserved(ours)
    return ours


def _less_cash(ours: Exchange) -> None:
    ours.accounts.balances["BOB"] -= 1
    ours.accounts.funds["BOB"].available_cents -= 1


def _unbooked(ours: Exchange) -> None:
    ours.accounts.booked["BOB"] += 5


def _more_shares(ours: Exchange) -> None:
    ours.accounts.owned["ANN", "MSFT"] += 1
    ours.accounts.shares["ANN", "MSFT"].available += 1


def _overdrawn(ours: Exchange) -> None:
    ours.accounts.funds["ANN"].available_cents = -1


def _oversold(ours: Exchange) -> None:
    ours.accounts.shares["CID", "MSFT"].available = -1


def _held_for_nothing(ours: Exchange) -> None:
    ours.accounts.funds["CID"].available_cents -= 3


def _shares_held_for_nothing(ours: Exchange) -> None:
    ours.accounts.shares["BOB", "MSFT"].available -= 3


def _miscounted(ours: Exchange) -> None:
    ours.accounts.funds["ANN"].open_orders += 1


def _lost_order(ours: Exchange) -> None:
    ours.engine._books["MSFT"].remove(ours.engine._open_orders[3], 1)


def _undecided(ours: Exchange) -> None:
    ours.accounts._pending[1, 9] = 5


FAULTS: list[tuple[Callable[[Exchange], None], str]] = [
    (_less_cash, "all accounts and the exchange have 5999999 cents, but the deposits were 6000000"),
    (_unbooked, "account BOB has 2100000 cents, but the ledger says 2100005"),
    (_more_shares, "all accounts own 301 MSFT, but the deposits were 300"),
    (_overdrawn, "account ANN has 1900000 cents, of which -1 are available"),
    (_oversold, "CID has 100 MSFT, of which -1 are available"),
    (_held_for_nothing, "account CID holds 3 cents, but its open orders need 0"),
    (_shares_held_for_nothing, "account BOB holds 3 MSFT, but its open orders need 0"),
    (_miscounted, "account ANN counts 2 open orders, but has 1"),
    (_lost_order, "order 3 has 7 shares open in the accounts, but 0 in the book"),
    (_undecided, "1 replacements were admitted but never decided"),
]


@pytest.mark.parametrize(("fault", "named"), FAULTS)
def test_a_fault_is_found_and_named(traded: Exchange, fault: Callable[[Exchange], None], named: str) -> None:
    fault(traded)
    with pytest.raises(ConservationError) as broken:
        require_conserved(traded)
    assert named in str(broken.value)
