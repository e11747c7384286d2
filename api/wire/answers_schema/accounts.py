"""Shapes of responses about accounts: their state, cash and shares, keys, statements."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from api.wire.answers_schema.common import (
    Answer,
    Count,
    Dollars,
    Number,
    Time,
)
from api.wire.schema import Name
from db.clearing_data.keys import Role


class OpenedAccount(Answer):
    """A new account; its key is shown this once."""

    client_id: str
    balance: Dollars
    api_key: str


class AccountResumed(Answer):
    """A client that may trade again."""

    client_id: str
    state: Literal["open"]


class AccountStopped(Answer):
    """A client that is stopped; the commands cancel its open orders, one for each shard."""

    client_id: str
    state: Literal["stopped"]
    command_ids: list[Number]


class AccountClosed(Answer):
    """A client whose account is closed for good; the commands cancel its open orders, one for each shard."""

    client_id: str
    state: Literal["closed"]
    command_ids: list[Number]


class Balance(Answer):
    """Cash of an account; what is held for open orders is part of the balance."""

    client_id: str
    balance: Dollars
    held: Dollars
    available: Dollars


class Holding(Answer):
    """Shares of a security in an account."""

    security_id: str
    shares: Count
    held: Count
    available: Count


class HoldingOf(Holding):
    """Shares of a security in the account of a client."""

    client_id: str


class Account(Balance):
    """What is in an account, and what it is worth at the last prices."""

    holdings: list[Holding]
    equity: Dollars


class Transferred(Answer):
    """A transfer that is booked."""

    status: Literal["success"]
    client_id: str
    transfer_id: Name


class TransferredBefore(Transferred):
    """A transfer that was booked before."""

    duplicate: Literal[True]


class Amounts(Answer):
    """What an account has: cash, and shares by security."""

    cash: Dollars
    shares: dict[str, int]


class Posting(Answer):
    """What an entry of the ledger did to an account."""

    entry_id: Number
    timestamp: Time
    kind: str
    trade_id: str | None
    transfer_id: str | None
    security_id: str | None
    cash: Dollars
    shares: int


class Statement(Answer):
    """An account over a time: opening balance, postings, closing balance."""

    client_id: str
    from_: Annotated[Time, Field(alias="from")]
    to: Time
    opening: Amounts
    postings: list[Posting]
    closing: Amounts


class Key(Answer):
    """What is known of a key; the key itself is not."""

    key_id: Number
    name: str | None
    role: Role
    read_only: bool
    created_at: Time
    revoked_at: Time | None


class WhoAmI(Answer):
    """Whose key somebody has; the admin is no client."""

    client_id: str | None
    role: Role
    read_only: bool


class MadeKey(Key):
    """A new key, shown this once."""

    api_key: str
