"""Faults of what the feed has stored."""

from __future__ import annotations

from tests.tasks.audit.faults.fault import Fault

OF_AAPL = "security = (SELECT security FROM report_securities WHERE security_id = 'AAPL')"

FAULTS = {
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
        f"DELETE FROM trade_reports WHERE {OF_AAPL} AND sequence = :row",
        "trade {row} of AAPL is not stored",
    ),
    "a trade is stored at another price": Fault(
        8,
        "market_data",
        "SELECT max(sequence) FROM trades WHERE security_id = 'AAPL'",
        f"UPDATE trade_reports SET price_cents = 1 WHERE {OF_AAPL} AND sequence = :row",
        "price_cents=1,",
    ),
    "a trade is stored that was not made": Fault(
        8,
        "market_data",
        "SELECT max(sequence) + 1 FROM trades WHERE security_id = 'AAPL'",
        (
            "INSERT INTO trade_reports SELECT security, :row, 1, event_id, buy_order_id, sell_order_id, "
            "buyer_sequence, seller_sequence, stamp, 1, 1, buyer, seller, 'buy' "
            f"FROM trade_reports WHERE {OF_AAPL} AND sequence = 1"
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
