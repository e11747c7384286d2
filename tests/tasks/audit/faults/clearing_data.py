"""Faults of the log, the ledger and the accounts."""

from __future__ import annotations

from tests.tasks.audit.faults.fault import SOME_DENIED, SOME_LEG, SOME_ORDER, SOME_TRADE, Fault

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
        "order {row} differs from the log",
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
    "a replacement is pending without a request": Fault(
        5,
        "clearing_data",
        "SELECT min(order_id) FROM open_orders",
        "INSERT INTO pending_replaces SELECT :row, 999999, client_id, 5, 1, 0 FROM open_orders WHERE order_id = :row",
        "replacement 999999 of order {row} is pending and differs from the log",
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
    "an order has terms without a replacement": Fault(
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
        "the snapshot of shard 0 at command {row} contains the state of shard 1",
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
}
