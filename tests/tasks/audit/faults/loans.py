"""Faults of loans and of the collateral for them, on an exchange whose clients sell short."""

from __future__ import annotations

from tests.tasks.audit.faults.fault import Fault

# ANN owes shares of TSLA, and has an order that may borrow more; holdings have no number, so the row is what is owed.
OWED = "SELECT borrowed FROM holdings WHERE client_id = 'ANN' AND security_id = 'TSLA'"
SOLD = "SELECT sold_cents FROM holdings WHERE client_id = 'ANN' AND security_id = 'TSLA'"
LOAN = "SELECT min(entry_id) FROM ledger WHERE kind = 'loan' AND account = 'ANN' AND security_id = 'TSLA'"
SALE = "SELECT max(event_id) FROM short_sales WHERE client_id = 'ANN' AND security_id = 'TSLA'"
OF_ANN = "WHERE client_id = 'ANN' AND security_id = 'TSLA' AND :row > 0"

LOAN_FAULTS = {
    "a client owes more than DTCC has lent": Fault(
        9, "clearing_data", OWED, f"UPDATE holdings SET borrowed = borrowed + 1 {OF_ANN}", "ANN owes {row1} TSLA"
    ),
    "a client no longer owes what it has borrowed": Fault(
        9, "clearing_data", OWED, f"UPDATE holdings SET borrowed = 0 {OF_ANN}", "DTCC has lent it {row}"
    ),
    "a loan is not in the ledger": Fault(
        9, "clearing_data", LOAN, "DELETE FROM ledger WHERE entry_id = :row", "and DTCC has lent it"
    ),
    "a loan is booked twice": Fault(
        9,
        "clearing_data",
        LOAN,
        "INSERT INTO ledger (kind, account, contra_account, security_id, cash_cents, shares, booked_us) "
        "SELECT kind, account, contra_account, security_id, cash_cents, shares, booked_us FROM ledger "
        "WHERE entry_id = :row",
        "and DTCC has lent it",
    ),
    "a loan comes from somebody else": Fault(
        9,
        "clearing_data",
        LOAN,
        "UPDATE ledger SET contra_account = 'BOB' WHERE entry_id = :row",
        "a loan of TSLA to ANN is not one of shares from DTCC",
    ),
    "a loan costs cash": Fault(
        9,
        "clearing_data",
        LOAN,
        "UPDATE ledger SET cash_cents = 1 WHERE entry_id = :row",
        "a loan of TSLA to ANN is not one of shares from DTCC",
    ),
    "shares are owed while some are available": Fault(
        9, "clearing_data", OWED, f"UPDATE holdings SET shares = shares + 1 {OF_ANN}", "ANN owes {row} TSLA and has 1"
    ),
    "DTCC owes shares": Fault(
        9,
        "clearing_data",
        OWED,
        "UPDATE holdings SET borrowed = 1 WHERE client_id = 'DTCC' AND security_id = 'TSLA' AND :row > 0",
        "DTCC owes 1 TSLA, which it cannot",
    ),
    "the collateral is too small": Fault(
        9,
        "clearing_data",
        SOLD,
        "UPDATE accounts SET collateral_cents = collateral_cents - 1 WHERE client_id = 'ANN' AND :row > 0",
        "account ANN has",
    ),
    "a client without debts has collateral": Fault(
        9,
        "clearing_data",
        SOLD,
        "UPDATE accounts SET collateral_cents = 5 WHERE client_id = 'DOT' AND :row > 0",
        "account DOT has 5 cents of collateral; what it owes requires 0",
    ),
    "what was sold was sold for something else": Fault(
        9, "clearing_data", SOLD, f"UPDATE holdings SET sold_cents = sold_cents + 1 {OF_ANN}", "not {row1}"
    ),
    "a sale is not recorded": Fault(
        9,
        "clearing_data",
        SALE,
        "DELETE FROM short_sales WHERE event_id = :row",
        "sale {row} of a client that sells short is not recorded as it was settled",
    ),
    "a sale is recorded at another price": Fault(
        9,
        "clearing_data",
        SALE,
        "UPDATE short_sales SET price_cents = price_cents + 1 WHERE event_id = :row",
        "sale {row} of a client that sells short is not recorded as it was settled",
    ),
    "a sale is recorded that never was": Fault(
        9,
        "clearing_data",
        SALE,
        "INSERT INTO short_sales VALUES ('ANN', 'TSLA', :row + 1, 1, 1)",
        "sale {row1} of a client that sells short is not recorded as it was settled",
    ),
    "a client has located what no order may borrow": Fault(
        5, "clearing_data", OWED, f"UPDATE holdings SET located = located + 1 {OF_ANN}", "ANN has located"
    ),
    "DTCC holds back what no order may borrow": Fault(
        5,
        "clearing_data",
        OWED,
        "UPDATE holdings SET held = held + 1 WHERE client_id = 'DTCC' AND security_id = 'TSLA' AND :row > 0",
        "DTCC holds back",
    ),
    "the margin of an order is not held": Fault(
        5,
        "clearing_data",
        OWED,
        "UPDATE accounts SET held_cents = held_cents - 1 WHERE client_id = 'ANN' AND :row > 0",
        "account ANN holds back",
    ),
    "an order may borrow less than was located for it": Fault(
        5,
        "clearing_data",
        "SELECT max(order_id) FROM orders WHERE client_id = 'ANN' AND owned_quantity = 0 AND status <> 'filled'",
        "UPDATE orders SET owned_quantity = 5 WHERE order_id = :row",
        "open orders may borrow",
    ),
    "what the default fund paid is not booked": Fault(
        4,
        "clearing_data",
        "SELECT min(entry_id) FROM ledger WHERE kind = 'default_fund'",
        "DELETE FROM ledger WHERE entry_id = :row",
        "account EXCHANGE has",
    ),
}
