"""Accounts: cash in dollars, shares, keys and statements."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec
from msgspec import Struct


class Holding(Struct, frozen=True, kw_only=True):
    """A client's shares of one security; `held` shares back its open sell orders, `borrowed` ones it owes."""

    security_id: str
    shares: int
    held: int
    available: int
    borrowed: int = 0


class Balance(Struct, frozen=True, kw_only=True):
    """A client's cash [dollars]; `held` backs its open orders, and `collateral` the shares that it owes."""

    client_id: str
    balance: Decimal
    held: Decimal
    available: Decimal
    collateral: Decimal = Decimal(0)


class Account(Struct, frozen=True, kw_only=True):
    """A client's cash and shares; `equity` values them, less what it owes, at their last prices [dollars]."""

    client_id: str
    balance: Decimal
    held: Decimal
    available: Decimal
    equity: Decimal
    holdings: list[Holding]
    collateral: Decimal = Decimal(0)
    borrowed: dict[str, int] = {}


class OpenedAccount(Struct, frozen=True, kw_only=True):
    """A new account and its key, which is shown only once."""

    client_id: str
    balance: Decimal
    api_key: str


class AccountState(Struct, frozen=True, kw_only=True):
    """Whether a client may trade; the commands, one per shard, cancel its open orders."""

    client_id: str
    state: Literal["open", "stopped", "closed"]
    command_ids: list[int] = []


class Transferred(Struct, frozen=True, kw_only=True):
    """A booked transfer; `duplicate` if it had been booked before under the same id."""

    client_id: str
    transfer_id: str
    duplicate: bool = False


class Key(Struct, frozen=True, kw_only=True):
    """The description of a key; `api_key`, the key itself, is present only when it is created."""

    key_id: int
    name: str | None = None
    role: str = "client"
    read_only: bool = False
    created_at: str | None = None
    revoked_at: str | None = None
    api_key: str | None = None


class Amounts(Struct, frozen=True, kw_only=True):
    """An account's cash [dollars] and shares by security."""

    cash: Decimal
    shares: dict[str, int]


class Posting(Struct, frozen=True, kw_only=True):
    """The effect of one ledger entry on an account."""

    entry_id: int
    timestamp: str
    kind: str
    cash: Decimal
    shares: int
    security_id: str | None = None
    trade_id: str | None = None
    transfer_id: str | None = None


class Statement(Struct, frozen=True, kw_only=True):
    """An account over a period: opening balance, postings, closing balance."""

    client_id: str
    opening: Amounts
    postings: list[Posting]
    closing: Amounts
    begins: str = msgspec.field(name="from", default="")
    ends: str = msgspec.field(name="to", default="")


class Standing(Struct, frozen=True, kw_only=True):
    """A client's rank on the leaderboard.

    gain            fraction, None if the account never received a deposit
    versus_holding  equity compared with what it would be without trades [fraction]; None if that is nothing
    """

    rank: int
    client_id: str
    equity: Decimal
    balance: Decimal
    holdings: dict[str, int]
    trades: int
    gain: Decimal | None = msgspec.field(name="return", default=None)
    versus_holding: Decimal | None = None
