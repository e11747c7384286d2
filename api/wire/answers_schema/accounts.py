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
from db.clearing_data.clients.keys import Role


class OpenedAccount(Answer):
    """A new account; only this response shows its key."""

    client_id: str
    balance: Dollars
    api_key: str


class AccountResumed(Answer):
    """An account whose client may trade again."""

    client_id: str
    state: Literal["open"]


class AccountStopped(Answer):
    """An account whose client may not trade; the commands cancel its open orders, one for each shard."""

    client_id: str
    state: Literal["stopped"]
    command_ids: list[Number]


class AccountClosed(Answer):
    """An account that is closed for good; the commands cancel its open orders, one for each shard."""

    client_id: str
    state: Literal["closed"]
    command_ids: list[Number]


class Balance(Answer):
    """Cash of an account; the balance includes the cash held for open orders and the collateral for owed shares."""

    client_id: str
    balance: Dollars
    held: Dollars
    available: Dollars
    collateral: Dollars


class Holding(Answer):
    """Shares of a security in an account, and the shares that the account owes."""

    security_id: str
    shares: Count
    held: Count
    available: Count
    borrowed: Count


class HoldingOf(Holding):
    """Shares of a security in the account of a client."""

    client_id: str


class Account(Balance):
    """The contents of an account, and its value at the last prices."""

    holdings: list[Holding]
    borrowed: dict[str, Count]
    equity: Dollars


class Transferred(Answer):
    """A booked transfer."""

    status: Literal["success"]
    client_id: str
    transfer_id: Name


class TransferredBefore(Transferred):
    """A transfer that an earlier request booked."""

    duplicate: Literal[True]


class Amounts(Answer):
    """The cash of an account, and its shares by security."""

    cash: Dollars
    shares: dict[str, int]


class Posting(Answer):
    """The effect of a ledger entry on an account."""

    entry_id: Number
    timestamp: Time
    kind: str
    trade_id: str | None
    transfer_id: str | None
    security_id: str | None
    cash: Dollars
    shares: int


class Statement(Answer):
    """The statement of an account for a period: opening balance, postings, closing balance."""

    client_id: str
    from_: Annotated[Time, Field(alias="from")]
    to: Time
    opening: Amounts
    postings: list[Posting]
    closing: Amounts


class Key(Answer):
    """The data of a key, without the key itself: the exchange stores only its hash."""

    key_id: Number
    name: str | None
    role: Role
    read_only: bool
    created_at: Time
    revoked_at: Time | None


class WhoAmI(Answer):
    """The owner and the rights of a key; the admin is not a client."""

    client_id: str | None
    role: Role
    read_only: bool


class MadeKey(Key):
    """A new key; only this response shows it."""

    api_key: str
