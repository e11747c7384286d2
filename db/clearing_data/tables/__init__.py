"""The tables of `clearing_data`: the order log, the register of orders, accounts, holdings and the ledger.

Cash is integer cents, quantities integer shares, times microseconds since 1970 in UTC (`_us`). No value is ever
recomputed from a float. Names are compared byte by byte (collation C), which costs less than the rules of a language
and locks rows in the same order everywhere. Fixed columns stand before texts, so that rows need no padding.
"""

from __future__ import annotations

from db.clearing_data.tables import clearing, market
from db.clearing_data.tables.accounts import DTCC, EXCHANGE, equity_samples
from db.clearing_data.tables.base import Text, metadata
from db.clearing_data.tables.log import ORDER_ID_BLOCK
from db.clearing_data.tables.orders import FEE_HOLD, MARGIN_HOLD, OWNED_OPEN, SHORT_OPEN, fee_hold

__all__ = [
    "DTCC",
    "EXCHANGE",
    "FEE_HOLD",
    "MARGIN_HOLD",
    "ORDER_ID_BLOCK",
    "OWNED_OPEN",
    "SHORT_OPEN",
    "Text",
    "clearing",
    "equity_samples",
    "fee_hold",
    "market",
    "metadata",
]
