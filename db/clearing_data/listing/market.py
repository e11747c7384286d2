"""The terms of the market in `clearing_data`: the endowment of a new account, and the lengths of the day's steps."""

from __future__ import annotations

from sqlalchemy import Connection, text

from tasks.shared.rules.market import Endowment, Market

# Stands for cash in the security column of the endowments.
_CASH = ""


def set_terms(tx: Connection, market: Market) -> None:
    """Store the endowment and the day of a market; the progress of the schedule stays unchanged."""
    day = market.day
    tx.execute(
        text(
            "INSERT INTO trading_day AS day "
            "(first_auction_us, opening_auction_us, continuous_us, closing_auction_us, closed_us) "
            "VALUES (:first, :opening, :continuous, :closing, :closed) ON CONFLICT (one) DO UPDATE SET "
            "first_auction_us = excluded.first_auction_us, opening_auction_us = excluded.opening_auction_us, "
            "continuous_us = excluded.continuous_us, closing_auction_us = excluded.closing_auction_us, "
            "closed_us = excluded.closed_us"
        ),
        {
            "first": market.first_auction_us,
            "opening": day.opening_auction_us,
            "continuous": day.continuous_us,
            "closing": day.closing_auction_us,
            "closed": day.closed_us,
        },
    )
    tx.execute(text("DELETE FROM endowments"))
    amounts = {_CASH: market.endowment.cash_cents} | dict(market.endowment.shares)
    tx.execute(
        text("INSERT INTO endowments SELECT * FROM unnest(CAST(:names AS text[]), CAST(:amounts AS bigint[]))"),
        {"names": list(amounts), "amounts": list(amounts.values())},
    )


def endowment(tx: Connection) -> Endowment:
    """Return the endowment of a new account."""
    amounts = {row.security_id: row.amount for row in tx.execute(text("SELECT security_id, amount FROM endowments"))}
    return Endowment(amounts.pop(_CASH, 0), amounts)
