"""What can be wrong with an exchange, as statements that bring it about."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Fault(NamedTuple):
    """One row of one database made wrong.

    rule      the rule that has to be reported as broken
    row       a query for the number of the row
    breakage  what goes wrong with it; :row is the number
    finding   how the row is named; {row} is the number, {row1} the next one
    """

    rule: int
    database: Literal["clearing_data", "market_data"]
    row: str
    breakage: str
    finding: str


SOME_ORDER = "SELECT max(order_id) FROM orders WHERE status = 'filled'"
SOME_DENIED = "SELECT min(command_id) FROM denials JOIN orders ON order_id = command_id"
SOME_TRADE = "SELECT min(event_id) FROM executions WHERE kind = 'trade'"
SOME_LEG = "SELECT min(entry_id) FROM ledger WHERE kind = 'trade'"

FAULTS = {
    "an order is lost between its register and the log": Fault(
        1,
        "clearing_data",
        "SELECT max(order_id) FROM orders WHERE status = 'new'",
        "DELETE FROM order_log WHERE command_id = :row",
        "order {row} is neither in the log nor denied",
    ),
    "an order is in the log alone": Fault(
        1,
        "clearing_data",
        SOME_ORDER,
        "DELETE FROM orders WHERE order_id = :row",
        "order {row} is in the log and not in orders",
    ),
    "an order is admitted and denied": Fault(
        1,
        "clearing_data",
        SOME_ORDER,
        "INSERT INTO denials VALUES (:row, 'halted')",
        "order {row} is in the log and denied",
    ),
    "an order is logged at another price than was held for it": Fault(
        1,
        "clearing_data",
        SOME_ORDER,
        "UPDATE orders SET hold_cents = hold_cents + 1 WHERE order_id = :row",
        "order {row} is another one in the log",
    ),
    "an order is denied for two reasons": Fault(
        1,
        "clearing_data",
        SOME_DENIED,
        "UPDATE orders SET reason = 'halted' WHERE order_id = :row",
        "order {row} is denied for another reason",
    ),
    "a cancel is admitted and denied": Fault(
        1,
        "clearing_data",
        "SELECT min(command_id) FROM order_log WHERE command LIKE '%cancel%'",
        "INSERT INTO denials VALUES (:row, 'unknown_order')",
        "request {row} is in the log and denied",
    ),
    "a denial is not reported": Fault(
        1,
        "market_data",
        "SELECT min(report_id) FROM reports WHERE reason = 'insufficient_holdings'",
        "DELETE FROM reports WHERE report_id = :row",
        "request {row} was denied (insufficient_holdings) and there is no",
    ),
    "a denial is reported for another reason": Fault(
        1,
        "market_data",
        "SELECT min(report_id) FROM reports WHERE reason = 'insufficient_holdings'",
        "UPDATE reports SET reason = 'halted' WHERE report_id = :row",
        "request {row} was denied for insufficient_holdings",
    ),
    "the log has a gap": Fault(
        2,
        "clearing_data",
        "SELECT max(seq) - 3 FROM order_log WHERE shard = 0",
        "DELETE FROM order_log WHERE shard = 0 AND seq = :row + 1",
        "after {row} comes",
    ),
    "the log ends before its head": Fault(
        2,
        "clearing_data",
        "SELECT last_seq + 1 FROM shards WHERE shard = 1",
        "UPDATE shards SET last_seq = :row WHERE shard = 1",
        "shards says {row}",
    ),
    "a trade is settled with one leg": Fault(
        3,
        "clearing_data",
        SOME_TRADE,
        "DELETE FROM ledger WHERE event_id = :row AND shares > 0",
        "trade {row} has 1 legs",
    ),
    "a trade is settled twice": Fault(
        3,
        "clearing_data",
        SOME_TRADE,
        (
            "INSERT INTO ledger (event_id, kind, account, contra_account, security_id, cash_cents, "
            "shares, booked_us) SELECT event_id, kind, account, contra_account, security_id, "
            "cash_cents, shares, 1 FROM ledger WHERE event_id = :row"
        ),
        "trade {row} has 4 legs",
    ),
    "a leg is for another price": Fault(
        3,
        "clearing_data",
        SOME_TRADE,
        "UPDATE ledger SET cash_cents = cash_cents - 1 WHERE event_id = :row AND shares > 0",
        "trade {row} has 2 legs in the ledger, which are not the buyer's and the seller's",
    ),
    "a leg is of no trade": Fault(
        3,
        "clearing_data",
        SOME_LEG,
        "UPDATE ledger SET event_id = 5 WHERE entry_id = :row",
        "entry {row} of the ledger is of trade 5",
    ),
    "a trade is not settled": Fault(
        3,
        "clearing_data",
        SOME_TRADE,
        "DELETE FROM executions WHERE event_id = :row",
        "execution {row} comes out of the log and is not settled",
    ),
    "a fee is charged that no rate says": Fault(
        3,
        "clearing_data",
        SOME_TRADE,
        (
            "INSERT INTO ledger (event_id, kind, account, contra_account, security_id, cash_cents, shares, booked_us) "
            "SELECT event_id, 'fee', buyer, 'EXCHANGE', security_id, -7, 0, 1 FROM executions WHERE event_id = :row"
        ),
        "has paid 7 cents for trade {row}; the rates say 0",
    ),
    "a fee is not charged": Fault(
        3,
        "clearing_data",
        # The last one: the fee of each trade behind it would be missing, too, and of many only some are listed.
        "SELECT max(event_id) FROM executions WHERE kind = 'trade'",
        "INSERT INTO fee_rates SELECT security_id, :row, 1, 0, 1000 FROM executions WHERE event_id = :row",
        "has paid 0 cents for trade {row}; the rates say",
    ),
    "a trade has failed for nothing": Fault(
        3,
        "clearing_data",
        SOME_TRADE,
        "UPDATE executions SET kind = 'failed', reason = 'account_closed' WHERE event_id = :row",
        "trade {row} failed, and neither side's account is closed",
    ),
    "cash appears": Fault(
        4,
        "clearing_data",
        "SELECT balance_cents FROM accounts WHERE client_id = 'ANN'",
        "UPDATE accounts SET balance_cents = :row + 1 WHERE client_id = 'ANN'",
        "account ANN has {row1} cents; the ledger says {row}",
    ),
    "shares appear": Fault(
        4,
        "clearing_data",
        "SELECT shares FROM holdings WHERE client_id = 'ANN' AND security_id = 'AAPL'",
        "UPDATE holdings SET shares = :row + 1 WHERE client_id = 'ANN' AND security_id = 'AAPL'",
        "ANN holds {row1} AAPL; the ledger says {row}",
    ),
    "more shares are about than were issued": Fault(
        4,
        "clearing_data",
        "SELECT issued_shares FROM securities WHERE security_id = 'TSLA'",
        "UPDATE securities SET issued_shares = :row - 1 WHERE security_id = 'TSLA'",
        "all accounts hold {row} TSLA",
    ),
    "the counterparty is left with cash": Fault(
        4,
        "clearing_data",
        SOME_TRADE,
        "UPDATE ledger SET cash_cents = cash_cents - 1 WHERE event_id = :row AND shares > 0",
        "DTCC is left with 1 cents and 0 shares of trade {row}",
    ),
    "more cash is held than open orders need": Fault(
        5,
        "clearing_data",
        "SELECT held_cents FROM accounts WHERE client_id = 'BOB'",
        "UPDATE accounts SET held_cents = :row + 1 WHERE client_id = 'BOB'",
        "account BOB holds back {row1} cents; its open orders need {row}",
    ),
    "more shares are held than open orders need": Fault(
        5,
        "clearing_data",
        "SELECT held FROM holdings WHERE client_id = 'BOB' AND security_id = 'MSFT'",
        "UPDATE holdings SET held = :row + 1 WHERE client_id = 'BOB' AND security_id = 'MSFT'",
        "BOB holds back {row1} MSFT; its open orders need {row}",
    ),
    "open orders are miscounted": Fault(
        5,
        "clearing_data",
        "SELECT open_orders FROM accounts WHERE client_id = 'BOB'",
        "UPDATE accounts SET open_orders = :row + 1 WHERE client_id = 'BOB'",
        "account BOB counts {row1} open orders; it has {row}",
    ),
    "an open order is not listed as one": Fault(
        5,
        "clearing_data",
        "SELECT min(order_id) FROM open_orders",
        "DELETE FROM open_orders WHERE order_id = :row",
        "order {row} is open and not in open_orders",
    ),
    "a closed order is listed as open": Fault(
        5,
        "clearing_data",
        SOME_ORDER,
        "INSERT INTO open_orders SELECT client_id, order_id FROM orders WHERE order_id = :row",
        "order {row} is not open and in open_orders",
    ),
    "a replacement is pending that nobody asked for": Fault(
        5,
        "clearing_data",
        "SELECT min(order_id) FROM open_orders",
        "INSERT INTO pending_replaces SELECT :row, 999999, client_id, 5, 1, 0 FROM open_orders WHERE order_id = :row",
        "replacement 999999 of order {row} is pending and is not so in the log",
    ),
    "a balance is below zero": Fault(
        5,
        "clearing_data",
        "SELECT -1",
        "UPDATE accounts SET balance_cents = :row WHERE client_id = 'DOT'",
        "account DOT has {row} cents",
    ),
    "an execution is settled at another price": Fault(
        6,
        "clearing_data",
        SOME_TRADE,
        "UPDATE executions SET price_cents = 1 WHERE event_id = :row",
        "execution {row} was settled as",
    ),
    "an execution does not come out of the log": Fault(
        6,
        "clearing_data",
        SOME_TRADE,
        (
            "INSERT INTO executions SELECT event_id + 1000, executed_us, settled_us, quantity, "
            "hold_cents, buy_order_id, sell_order_id, price_cents, sequence, kind, security_id, "
            "aggressor_side, buyer, seller, reason FROM executions WHERE event_id = :row"
        ),
        "was settled and does not come out of the log",
    ),
    "an execution is of a command beyond the log": Fault(
        6,
        "clearing_data",
        SOME_TRADE,
        "UPDATE executions SET event_id = 9223372036854775807 WHERE event_id = :row",
        "execution 9223372036854775807 was settled and is of a command that no log has",
    ),
    "the live engine was in another state": Fault(
        6,
        "clearing_data",
        "SELECT seq FROM snapshots WHERE shard = 0",
        "UPDATE snapshots SET state_hash = 'other' WHERE shard = 0 AND seq = :row",
        "the state other after command {row}",
    ),
    "a snapshot is damaged": Fault(
        6,
        "clearing_data",
        "SELECT seq FROM snapshots WHERE shard = 1",
        "UPDATE snapshots SET body = 'x' WHERE shard = 1 AND seq = :row",
        "shard 1 at command {row} is damaged",
    ),
    "an order is filled that was not": Fault(
        7,
        "clearing_data",
        "SELECT max(order_id) FROM orders WHERE status = 'new'",
        "UPDATE orders SET filled_quantity = 1 WHERE order_id = :row",
        "order {row} of",
    ),
    "an order has terms that nobody gave it": Fault(
        7,
        "clearing_data",
        SOME_ORDER,
        "UPDATE orders SET terms_event_id = 5 WHERE order_id = :row",
        "order {row} has the terms of replacement 5",
    ),
    "an order is open and called closed": Fault(
        7,
        "clearing_data",
        "SELECT max(order_id) FROM orders WHERE status = 'partially_filled'",
        "UPDATE orders SET status = 'cancelled' WHERE order_id = :row",
        "order {row} of",
    ),
    "an execution is of no order": Fault(
        7,
        "clearing_data",
        SOME_ORDER,
        "DELETE FROM orders WHERE order_id = :row",
        "order {row} has executions and is not in orders",
    ),
    "a report is lost": Fault(
        8,
        "market_data",
        "SELECT sequence - 1 FROM report_heads WHERE client_id = 'ANN'",
        "DELETE FROM reports WHERE client_id = 'ANN' AND sequence = :row",
        "reports of ANN has {row} rows up to {row1}",
    ),
    "a number of a report is given twice, and another one to none": Fault(
        8,
        "market_data",
        "SELECT sequence - 2 FROM report_heads WHERE client_id = 'ANN'",
        "UPDATE reports SET sequence = :row WHERE client_id = 'ANN' AND sequence = :row + 1",
        "after {row} comes {row}",
    ),
    "a price update is lost": Fault(
        8,
        "market_data",
        "SELECT price_sequence - 2 FROM books WHERE security_id = 'MSFT'",
        "DELETE FROM prices WHERE security_id = 'MSFT' AND sequence = :row + 1",
        "after {row} comes",
    ),
    "a trade is not stored": Fault(
        8,
        "market_data",
        "SELECT max(sequence) FROM trades WHERE security_id = 'AAPL'",
        "DELETE FROM trades WHERE security_id = 'AAPL' AND sequence = :row",
        "trade {row} of AAPL is not stored",
    ),
    "a trade is stored at another price": Fault(
        8,
        "market_data",
        "SELECT max(sequence) FROM trades WHERE security_id = 'AAPL'",
        "UPDATE trades SET price_cents = 1 WHERE security_id = 'AAPL' AND sequence = :row",
        "price_cents=1,",
    ),
    "a trade is stored that was not made": Fault(
        8,
        "market_data",
        "SELECT max(sequence) + 1 FROM trades WHERE security_id = 'AAPL'",
        (
            "INSERT INTO trades SELECT security_id, :row, event_id, 1, 1, 'buy', 1 FROM trades WHERE "
            "security_id = 'AAPL' AND sequence = 1"
        ),
        "trade {row} of AAPL is stored and does not come out of the log",
    ),
    "a level of a book is wrong": Fault(
        8,
        "market_data",
        ("SELECT min(price_cents) FROM book_levels WHERE security_id = 'MSFT' AND side = 'sell' AND quantity > 0"),
        ("UPDATE book_levels SET quantity = 7777 WHERE security_id = 'MSFT' AND side = 'sell' AND price_cents = :row"),
        "sell {row}: stored 7777 shares",
    ),
    "a book is behind": Fault(
        8,
        "market_data",
        "SELECT update_sequence FROM books WHERE security_id = 'MSFT'",
        "UPDATE books SET update_sequence = :row - 1 WHERE security_id = 'MSFT'",
        "the replay has {row}",
    ),
    "a book is ahead of the log": Fault(
        8,
        "market_data",
        "SELECT update_sequence FROM books WHERE security_id = 'MSFT'",
        "UPDATE books SET update_sequence = :row + 1 WHERE security_id = 'MSFT'",
        "stored with change {row1}",
    ),
    "a best price is wrong": Fault(
        8,
        "market_data",
        "SELECT 4444",
        "UPDATE books SET bid_cents = :row WHERE security_id = 'MSFT'",
        "bid_cents={row}",
    ),
    "a promised order was never registered": Fault(
        1,
        "clearing_data",
        "SELECT 999999937",
        "INSERT INTO client_order_ids VALUES ('ANN', 'lost', :row, '')",
        "order {row}, promised to ANN for lost, is neither registered nor rejected",
    ),
    "a promised order is another client's": Fault(
        1,
        "clearing_data",
        "SELECT max(order_id) FROM orders WHERE client_id = 'BOB'",
        "INSERT INTO client_order_ids VALUES ('ANN', 'stolen', :row, '')",
        "order {row}, promised to ANN for stolen, is registered for BOB",
    ),
    "a snapshot holds another state than its hash says": Fault(
        6,
        "clearing_data",
        "SELECT seq FROM snapshots WHERE shard = 0",
        (
            "UPDATE snapshots SET body = other.body, checksum = other.checksum FROM snapshots AS other "
            "WHERE snapshots.shard = 0 AND snapshots.seq = :row AND other.shard = 1"
        ),
        "the snapshot of shard 0 at command {row} does not have the hash",
    ),
    "a snapshot is another shard's": Fault(
        6,
        "clearing_data",
        "SELECT seq FROM snapshots WHERE shard = 0",
        (
            "UPDATE snapshots SET body = other.body, checksum = other.checksum, state_hash = other.state_hash "
            "FROM snapshots AS other WHERE snapshots.shard = 0 AND snapshots.seq = :row AND other.shard = 1"
        ),
        "the snapshot of shard 0 at command {row} holds the state of shard 1",
    ),
    "a snapshot is ahead of the log": Fault(
        6,
        "clearing_data",
        "SELECT last_seq + 1 FROM shards WHERE shard = 1",
        "UPDATE snapshots SET seq = :row WHERE shard = 1",
        "the snapshot of shard 1 is at command {row}; its log ends",
    ),
    "a mark is ahead of the log": Fault(
        6,
        "clearing_data",
        "SELECT last_seq + 1 FROM shards WHERE shard = 1",
        "UPDATE published_marks SET seq = :row WHERE shard = 1",
        "the published mark of shard 1 is at command {row}; its log ends",
    ),
    "a mark is behind its snapshot": Fault(
        6,
        "clearing_data",
        "SELECT seq - 1 FROM snapshots WHERE shard = 1",
        "UPDATE published_marks SET seq = :row WHERE shard = 1",
        "the published mark of shard 1 is at command {row}, behind its snapshot at {row1}",
    ),
    "a level of a book is missing": Fault(
        8,
        "market_data",
        "SELECT min(price_cents) FROM book_levels WHERE security_id = 'MSFT' AND side = 'sell' AND quantity > 0",
        "DELETE FROM book_levels WHERE security_id = 'MSFT' AND side = 'sell' AND price_cents = :row",
        "sell {row}: stored 0 shares",
    ),
    "the last price is not the book's": Fault(
        8,
        "market_data",
        "SELECT price_sequence FROM books WHERE security_id = 'MSFT'",
        "UPDATE prices SET last_cents = 1 WHERE security_id = 'MSFT' AND sequence = :row",
        "price {row} of MSFT is its last one and differs",
    ),
    "a candle is missing": Fault(
        8,
        "market_data",
        "SELECT min(start_s) FROM candles WHERE security_id = 'MSFT' AND interval_s = 60",
        "DELETE FROM candles WHERE security_id = 'MSFT' AND interval_s = 60 AND start_s = :row",
        "the candle of MSFT of 60 s at {row} is stored as None",
    ),
    "a candle has no trades": Fault(
        8,
        "market_data",
        "SELECT 0",
        "INSERT INTO candles VALUES ('MSFT', 1, :row, 1, 1, 1, 1, 1, 1, 1)",
        "the candle of MSFT of 1 s at {row} is stored as 1 1 1 1 1 1 1; its trades make None",
    ),
    "a candle counts a trade twice": Fault(
        8,
        "market_data",
        "SELECT min(start_s) FROM candles WHERE security_id = 'MSFT' AND interval_s = 3600",
        "UPDATE candles SET volume = volume + 1 WHERE security_id = 'MSFT' AND interval_s = 3600 AND start_s = :row",
        "the candle of MSFT of 3600 s at {row} is stored as",
    ),
    "a candle opens with another trade": Fault(
        8,
        "market_data",
        "SELECT min(start_s) FROM candles WHERE security_id = 'AAPL' AND interval_s = 1",
        "UPDATE candles SET open_cents = 7 WHERE security_id = 'AAPL' AND interval_s = 1 AND start_s = :row",
        "the candle of AAPL of 1 s at {row} is stored as 7 ",
    ),
    "a candle closes with another price": Fault(
        8,
        "market_data",
        "SELECT min(start_s) FROM candles WHERE security_id = 'AAPL' AND interval_s = 300",
        "UPDATE candles SET close_cents = 7 WHERE security_id = 'AAPL' AND interval_s = 300 AND start_s = :row",
        "the candle of AAPL of 300 s at {row} is stored as",
    ),
    "a report is of a command beyond the log": Fault(
        8,
        "market_data",
        "SELECT min(report_id) FROM reports WHERE reason = 'unfilled'",
        "UPDATE reports SET report_id = report_id + CAST(2 ^ 56 AS bigint) WHERE report_id = :row",
        "is stored and is of a command that no log has",
    ),
}

# Faults of an exchange on which orders were replaced and trades have failed.
REPLACE_FAULTS = {
    "an order has lost its new terms": Fault(
        7,
        "clearing_data",
        "SELECT min(order_id) FROM orders WHERE terms_event_id IS NOT NULL",
        "UPDATE orders SET hold_cents = hold_cents + 1 WHERE order_id = :row",
        "order {row} has the terms of replacement",
    ),
    "a replacement is settled with other terms": Fault(
        6,
        "clearing_data",
        "SELECT min(event_id) FROM executions WHERE kind = 'replaced'",
        (
            "UPDATE executions SET terms = CAST(jsonb_set(CAST(terms AS jsonb), '{old_open}', '99') AS text) "
            "WHERE event_id = :row"
        ),
        "execution {row} was settled as",
    ),
    "a replacement is neither pending nor decided": Fault(
        5,
        "clearing_data",
        "SELECT CAST(CAST(terms AS json) ->> 'command_id' AS bigint) FROM executions WHERE kind = 'replaced' LIMIT 1",
        "DELETE FROM executions WHERE CAST(CAST(terms AS json) ->> 'command_id' AS bigint) = :row",
        "replacement {row} is in the log, and neither pending nor decided",
    ),
    "a failed trade is forgotten by an order": Fault(
        7,
        "clearing_data",
        "SELECT min(buy_order_id) FROM executions WHERE kind = 'failed'",
        "UPDATE orders SET closed_quantity = 0 WHERE order_id = :row",
        "order {row} of",
    ),
    "the account that made a trade fail is open again": Fault(
        3,
        "clearing_data",
        "SELECT min(event_id) FROM executions WHERE kind = 'failed'",
        "UPDATE accounts SET state = 'open' WHERE client_id = 'DOT' AND :row > 0",
        "trade {row} failed, and neither side's account is closed",
    ),
    "a fee is not taken": Fault(
        4,
        "clearing_data",
        "SELECT balance_cents FROM accounts WHERE client_id = 'EXCHANGE'",
        "UPDATE accounts SET balance_cents = :row - 1 WHERE client_id = 'EXCHANGE'",
        "account EXCHANGE has",
    ),
}
