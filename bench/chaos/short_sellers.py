"""Clients that sell what they do not have, and the one whose bids make their margin too small.

A short seller has some cash, no shares, and a short limit, and sells mostly one security. The squeezer bids 60 % above
the usual prices for a moment, takes all offers, and then offers some shares at the usual price: the clearinghouse buys
short sellers in, out of these and all other offers.
"""

from __future__ import annotations

import random
import threading
from decimal import Decimal
from typing import Any

from bench.chaos.clients import REFERENCE_CENTS, SECURITIES, Line, Trader
from bots.client import Client

NAMES = tuple(f"CHAOS_SHORT_{number}" for number in range(4))
SQUEEZER = "CHAOS_SQUEEZER"

# Enough for about twenty shares at the usual price, as the order holds half of it; with ten of them, a client is bought
# in at the squeezer's price.
CASH = Decimal(1_000)
SHORT_LIMIT = 150
FUND = Decimal(1_000_000)
_OF_SQUEEZER = Decimal(10_000_000)
_SHARES_OF_SQUEEZER = 3_000

_SALES = 0.75  # among the orders of a short seller
_IN_ONE_SECURITY = 0.85
_BID = REFERENCE_CENTS * 16 // 10 / 100
# More than all offers, so that the next sale trades at the price of the bid.
_BID_SHARES = 5_000
_OFFERED = 200
# Above all bids of the other clients, so that only a buy-in buys, and below its limit: 10 % above the last price.
_OFFER_TO_BUY_INS = REFERENCE_CENTS * 101 // 100 / 100
_PAUSE_S = (3.0, 8.0)
_BID_LASTS_S = 1.5


class ShortSeller(Trader):
    """One such client."""

    longest_pause_s = 0.6

    def _security(self) -> str:
        if self._rng.random() < _IN_ONE_SECURITY:
            return SECURITIES[NAMES.index(self.name) % len(SECURITIES)]
        return super()._security()

    def _side(self) -> str:
        return "sell" if self._rng.random() < _SALES else "buy"


class Squeezer(threading.Thread):
    """Bids too much, cancels what is left of the bid, and offers shares until its next bid; `ended` stops it."""

    def __init__(self, url: str, key: str, *, seed: int) -> None:
        super().__init__(name="squeezer", daemon=True)
        self._line = Line(url, key)
        self._rng = random.Random(f"squeezer:{seed}")
        self.ended = threading.Event()

    def run(self) -> None:
        """Squeeze."""
        while not self.ended.wait(self._rng.uniform(*_PAUSE_S)):
            security_id = self._rng.choice(SECURITIES[: len(NAMES)])
            self._line.ask("DELETE", f"/orders?security_id={security_id}")
            self._line.ask("POST", "/orders", _order(security_id, "buy", _BID_SHARES, _BID))
            self.ended.wait(_BID_LASTS_S)
            self._line.ask("DELETE", f"/orders?security_id={security_id}")
            self._line.ask("POST", "/orders", _order(security_id, "sell", _OFFERED, REFERENCE_CENTS / 100))
        self._line.close()


def open_accounts(admin: Client) -> dict[str, str]:
    """Open the accounts of these clients, and give the default fund some cash; return their keys.

    Their securities have no band, because an auction at 60 % above the last price would find the usual one.
    """
    keys = {name: admin.open_account(name).api_key for name in (*NAMES, SQUEEZER)}
    admin.deposit_cash("EXCHANGE", FUND, transfer_id="fund")
    admin.deposit_cash(SQUEEZER, _OF_SQUEEZER, transfer_id="cash:squeezer")
    for security_id in SECURITIES:
        shares = f"shares:squeezer:{security_id}"
        admin.deposit_shares(SQUEEZER, security_id, _SHARES_OF_SQUEEZER, transfer_id=shares)
    for security_id in SECURITIES[: len(NAMES)]:
        admin.ask("PATCH", f"/securities/{security_id}", dict, content={"band": None})
    for name in NAMES:
        admin.deposit_cash(name, CASH, transfer_id=f"cash:{name}")
        admin.ask("PATCH", f"/accounts/{name}", dict, content={"limits": {"short_limit": SHORT_LIMIT}})
    return keys


def offer_what_is_owed(url: str, admin: Client, squeezer_key: str, *, attempt: int) -> list[str]:
    """Offer the shares that clients under a buy-in owe, once; return their positions as text.

    The squeezer's own orders give way, and the default fund has cash again: a buy-in waits for both.
    """
    line = Line(url, squeezer_key)
    rows = [row for row in admin.ask("GET", "/clearing/margin", dict)["data"] if row["buy_in_since"]]
    if rows:
        line.ask("DELETE", "/orders")
        admin.deposit_cash("EXCHANGE", FUND, transfer_id=f"fund:{attempt}")
    for row in rows:
        for security_id, shares in row["borrowed"].items():
            admin.deposit_shares(
                SQUEEZER, security_id, shares, transfer_id=f"{attempt}:{row['client_id']}:{security_id}"
            )
            line.ask("POST", "/orders", _order(security_id, "sell", shares, _OFFER_TO_BUY_INS))
    line.close()
    return [str(row) for row in rows]


def _order(security_id: str, side: str, quantity: int, price: float) -> dict[str, Any]:
    return {"type": "limit", "security_id": security_id, "side": side, "quantity": quantity, "price": price}
