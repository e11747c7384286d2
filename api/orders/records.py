"""The route of an order's records: its row of the log, its first trades, and their postings in the ledger."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from api.orders.lookup import OrderLookup
from api.request.auth import Keys
from api.request.databases import reading
from api.request.listing import Listing
from api.wire.answers import answer
from api.wire.answers_schema import orders as answers_schema
from api.wire.declaration import declared
from api.wire.money import dollars
from api.wire.outgoing import time_of, trade_id
from db.clearing_data.log import order_records
from db.clearing_data.log.order_records import LogRow, OrderPosting, SettledTrade
from db.connect import Database
from db.market_data import lives

# An order may have thousands of trades: these are the first ones.
MOST_TRADES = 10


def routes(
    *, keys: Keys, lookup: OrderLookup, listing: Listing, clearing_data: Database, market_data: Database
) -> Blueprint:
    """Return the route."""
    blueprint = Blueprint("order_records", __name__)

    @blueprint.get("/orders/<security_id>/<order_id:order_id>/records")
    @declared(
        "client", "An order's row of the log, its first trades and their postings", gives={200: answers_schema.Records}
    )
    def of_order(security_id: str, order_id: int) -> Response:
        identity = keys.identify()
        listing.once_in_path(security_id)
        client_id = lookup.find(identity, security_id, order_id).client_id
        with reading(market_data) as tx:
            event_ids = lives.trades_of(tx, order_id, client_id=client_id, limit=MOST_TRADES)
        with reading(clearing_data) as tx:
            row = order_records.log_row(tx, order_id)
            trades = order_records.settled_trades(tx, event_ids)
            postings = order_records.postings(tx, client_id, trades)
        return answer(
            {
                "order_id": order_id,
                "security_id": security_id,
                "log": _log_form(row) if row else None,
                "trades": [_trade_form(trade) for trade in trades],
                "postings": [_posting_form(posting) for posting in postings],
            }
        )

    return blueprint


def _log_form(row: LogRow) -> dict[str, Any]:
    return {"shard": row.shard, "sequence": row.seq, "command": row.command}


def _trade_form(trade: SettledTrade) -> dict[str, Any]:
    return {
        "trade_id": trade_id(trade.event_id),
        "price": dollars(trade.price_cents),
        "quantity": trade.quantity,
        "timestamp": time_of(trade.executed_us),
        "settled_at": time_of(trade.settled_us),
    }


def _posting_form(posting: OrderPosting) -> dict[str, Any]:
    return {
        "entry_id": posting.entry_id,
        "timestamp": time_of(posting.booked_us),
        "kind": posting.kind,
        "trade_id": trade_id(posting.event_id),
        "account": posting.account,
        "contra_account": posting.contra_account,
        "security_id": posting.security_id,
        "cash": dollars(posting.cash_cents),
        "shares": posting.shares,
    }
