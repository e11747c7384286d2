"""Routes of accounts: open an account, read its contents, move cash and shares in and out."""

from __future__ import annotations

from typing import Any, Literal

from flask import Blueprint, Response
from sqlalchemy import Connection

from api.request.auth import Keys
from api.request.body import read_json
from api.request.databases import reading, writing
from api.request.listing import Listing
from api.wire import outgoing
from api.wire.answers import answer
from api.wire.answers_schema import accounts as answers_schema
from api.wire.declaration import declared
from api.wire.limits import AccountWithLimits, limits_of
from api.wire.money import dollars
from api.wire.problems import Problem, invalid, not_found, not_listed
from api.wire.schema import CashTransfer, NewAccount, ShareTransfer
from api.wire.shapes import shape_of
from celery_app.clock import now_us
from db.clearing_data import initial_data
from db.clearing_data.clients import accounts, growth
from db.clearing_data.clients import keys as key_store
from db.clearing_data.clients import limits as account_limits
from db.clearing_data.clients.accounts import Transferred
from db.clearing_data.clients.limits import AccountLimits
from db.clearing_data.listing import market, securities
from db.clearing_data.listing.securities import ever_listed
from db.clearing_data.rows import Account
from db.clearing_data.tables import DTCC, EXCHANGE
from db.connect import Database

Direction = Literal["deposit", "withdrawal"]

_TRANSFER: dict[str, Any] = {
    "takes": CashTransfer | ShareTransfer,
    "gives": {200: answers_schema.TransferredBefore, 201: answers_schema.Transferred},
    "refuses": [409],
}


def routes(*, keys: Keys, listing: Listing, clearing_data: Database) -> Blueprint:
    """Return the routes."""
    blueprint = Blueprint("accounts", __name__)

    @blueprint.post("/accounts")
    @declared(
        "admin",
        "Open an account; only this response shows its key",
        takes=NewAccount,
        gives={201: answers_schema.OpenedAccount},
        refuses=[409],
    )
    def open_account() -> Response:
        client_id = shape_of(read_json(), NewAccount).client_id
        with writing(clearing_data) as tx:
            if not _open(tx, client_id):
                raise Problem(409, "account_exists", "this id is taken or reserved; choose another one")
            api_key = key_store.make_key(tx, client_id, role="client", now_us=now_us())
            account = _existing(tx, client_id)
        opened = {"client_id": client_id, "balance": dollars(account.balance_cents), "api_key": api_key}
        return answer(opened, 201, {"Cache-Control": "no-store"})

    @blueprint.get("/accounts/<client_id>")
    @declared("client", "The contents of an account", gives={200: AccountWithLimits})
    def one(client_id: str) -> Response:
        keys.allowed(client_id)
        with reading(clearing_data) as tx:
            account = _existing(tx, client_id)
            held = accounts.holdings(tx, client_id)
            equity_cents = outgoing.equity_cents(account, held, ever_listed(tx))
            limits = account_limits.limits(tx, client_id) or AccountLimits()
        content = {
            "client_id": client_id,
            **outgoing.cash_of(account),
            "holdings": [outgoing.holding_of(holding) for holding in held],
            "borrowed": {holding.security_id: holding.borrowed for holding in held if holding.borrowed},
            "equity": dollars(equity_cents),
            "limits": limits_of(limits),
        }
        return answer(content)

    @blueprint.get("/balance/<client_id>")
    @declared("client", "Cash of an account", gives={200: answers_schema.Balance})
    def balance(client_id: str) -> Response:
        keys.allowed(client_id)
        with reading(clearing_data) as tx:
            account = _existing(tx, client_id)
        return answer({"client_id": client_id, **outgoing.cash_of(account)})

    @blueprint.get("/holdings/<security_id>/<client_id>")
    @declared("client", "Shares of a security in an account", gives={200: answers_schema.HoldingOf})
    def holding(security_id: str, client_id: str) -> Response:
        keys.allowed(client_id)
        listing.once_in_path(security_id)
        with reading(clearing_data) as tx:
            _existing(tx, client_id)
            found = accounts.holding(tx, client_id, security_id)
        return answer({"client_id": client_id, **outgoing.holding_of(found)})

    @blueprint.post("/accounts/<client_id>/deposits")
    @declared("admin", "Deposit cash or shares into an account, once", **_TRANSFER)
    def deposit(client_id: str) -> Response:
        return transfer(client_id, "deposit")

    @blueprint.post("/accounts/<client_id>/withdrawals")
    @declared("admin", "Withdraw cash or shares from an account, once", **_TRANSFER)
    def withdraw(client_id: str) -> Response:
        return transfer(client_id, "withdrawal")

    def transfer(client_id: str, direction: Direction) -> Response:
        asked = _transfer_of(read_json())
        if isinstance(asked, ShareTransfer) and asked.security_id not in listing.all():
            raise invalid("/security_id", not_listed(listing.all()), code="unknown_security")
        keys.allowed(client_id)
        with writing(clearing_data) as tx:
            transferred = _move(tx, client_id, direction, asked)
            if transferred not in ("booked", "repeated"):
                payer = client_id if direction == "withdrawal" else DTCC
                if isinstance(asked, CashTransfer):
                    raise refusal(tx, transferred, payer, cash_cents=asked.amount)
                raise refusal(tx, transferred, payer, security_id=asked.security_id, shares=asked.quantity)
        content: dict[str, Any] = {"status": "success", "client_id": client_id, "transfer_id": asked.transfer_id}
        if transferred == "repeated":
            return answer(content | {"duplicate": True})
        return answer(content, 201)

    return blueprint


def _open(tx: Connection, client_id: str) -> bool:
    """Open an account with the opening cash and, as far as DTCC has enough, the opening shares."""
    endowment = market.endowment(tx)
    listed = {security.security_id for security in securities.listed(tx) if security.phase != "settled"}
    shares = {
        security_id: quantity
        for security_id, quantity in endowment.shares.items()
        if security_id in listed and accounts.holding(tx, DTCC, security_id).available >= quantity
    }
    return initial_data.open_trader(tx, client_id, cash_cents=endowment.cash_cents, shares=shares, now_us=now_us())


def _existing(tx: Connection, client_id: str) -> Account:
    account = accounts.account(tx, client_id)
    if account is None:
        raise not_found("account")
    return account


def _transfer_of(content: Any) -> CashTransfer | ShareTransfer:
    if isinstance(content, dict) and "amount" in content:
        return shape_of(content, CashTransfer)
    return shape_of(content, ShareTransfer)


def _move(tx: Connection, client_id: str, direction: Direction, asked: CashTransfer | ShareTransfer) -> Transferred:
    booked_us = now_us()
    if isinstance(asked, CashTransfer):
        move_cash = accounts.deposit_cash if direction == "deposit" else accounts.withdraw_cash
        return move_cash(tx, client_id, asked.transfer_id, amount_cents=asked.amount, now_us=booked_us)
    move_shares = accounts.deposit_shares if direction == "deposit" else accounts.withdraw_shares
    return move_shares(
        tx, client_id, asked.transfer_id, security_id=asked.security_id, quantity=asked.quantity, now_us=booked_us
    )


def refusal(
    tx: Connection, transferred: Transferred, payer: str, *, cash_cents: int = 0, security_id: str = "", shares: int = 0
) -> Problem:
    """Return the problem of a transfer that was not booked: cash or shares that the payer was to give."""
    who = payer if payer in (DTCC, EXCHANGE) else "the account"
    match transferred:
        case "unknown_account":
            return not_found("account")
        case "transfer_id_reused":
            return Problem(409, "transfer_id_reused", "this transfer_id belongs to another transfer")
        case "account_closed":
            return Problem(409, "account_closed", "the account is closed and accepts no more deposits")
        case "insufficient_funds":
            account = accounts.account(tx, payer)
            available = account.available_cents if account else 0
            lack = outgoing.shortfall_words(transferred, cash_cents, available)
            return Problem(422, transferred, f"{who} {lack}")
        case "insufficient_holdings":
            available = accounts.holding(tx, payer, security_id).available
            lack = outgoing.shortfall_words(transferred, shares, available)
            return Problem(422, transferred, f"{who} {lack}")
        case "worth_too_large":
            most = f"{growth.MOST_WORTH_CENTS // 100:,}"
            return Problem(422, "worth_too_large", f"the account would be worth more than {most}")
    return invalid("/security_id", "is no longer listed", code="unknown_security")
