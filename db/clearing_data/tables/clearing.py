"""The tables of cleared executions and of the ledger."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Identity, Index, Table, text

from db.clearing_data.tables.base import Text, metadata

# Cleared executions, each once with the whole content of its message: the primary key rejects a second delivery, and a
# known event with a different content is noticed. A close names its order on the order's side.
executions = Table(
    "executions",
    metadata,
    Column("event_id", BigInteger, primary_key=True),
    Column("executed_us", BigInteger, nullable=False),
    Column("settled_us", BigInteger, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("hold_cents", BigInteger, nullable=False),  # for a trade, that of its buy order
    Column("buy_order_id", BigInteger),
    Column("sell_order_id", BigInteger),
    Column("price_cents", BigInteger),  # only trades have this, sequence and aggressor_side
    Column("sequence", BigInteger),
    Column("kind", Text, nullable=False),  # trade, cancelled, rejected, replaced, replace_refused, failed
    Column("security_id", Text, nullable=False),
    Column("aggressor_side", Text),
    Column("buyer", Text),
    Column("seller", Text),
    Column("reason", Text),  # of a close
    Column("terms", Text),  # for a replacement: terms without a column of their own, as JSON
    Index("executions_failed", "event_id", postgresql_where=text("kind = 'failed'")),
)

# The double-entry ledger, append only (a trigger enforces this): each row moves cash and shares between an account and
# its contra account, so every asset sums to zero by construction. A trade is two rows, buyer against DTCC and seller
# against DTCC; `executions` ensures that it is booked once, and an index here to ensure it again would cost as much as
# the row. A fee is a row against EXCHANGE. A final settlement is two rows for each holder: the cash against EXTERNAL,
# like that of a deposit, and the shares against DTCC. A loan and a return are rows of shares against DTCC, and payments
# of the default fund and to it are rows of cash against EXCHANGE. The kinds are trade, fee, deposit, withdrawal, issue,
# correction, final_settlement, loan, return, default_fund. The view `ledger_postings` shows the single postings.
ledger = Table(
    "ledger",
    metadata,
    Column("entry_id", BigInteger, Identity(), primary_key=True),
    Column("event_id", BigInteger),  # of the trade or the final settlement
    Column("cash_cents", BigInteger, nullable=False),  # gain of the account, loss of the contra account
    Column("shares", BigInteger, nullable=False),
    Column("booked_us", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),  # trade, fee, deposit, loan, ...; see above
    Column("account", Text, nullable=False),
    Column("contra_account", Text, nullable=False),
    Column("security_id", Text),
    Column("transfer_id", Text),  # of a deposit or a withdrawal
    Index("ledger_by_transfer", "transfer_id", unique=True, postgresql_where=text("transfer_id IS NOT NULL")),
    # All entries of a batch have one time, and equal keys are stored once: half the size of an index with the number.
    Index("ledger_by_account", "account", "booked_us"),
    # Entries are booked nearly in the order of time, so a summary of every few pages finds those of a window.
    Index(
        "ledger_by_time",
        "booked_us",
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 32, "autosummarize": "on"},
    ),
)

# The reason of a correction, which is a transfer like any other, and the entry that it corrects.
corrections = Table(
    "corrections",
    metadata,
    Column("transfer_id", Text, primary_key=True),
    Column("entry_id", BigInteger),  # the ledger entry that it corrects, if there is one
    Column("reason", Text, nullable=False),
)
