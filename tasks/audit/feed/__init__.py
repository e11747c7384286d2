"""Rule 8: the feed has exactly what the log leads to.

What the engine makes is compared with a replay: its trades, its books, and its word on single orders. The reports of
requests and of trades are the bulk; they are compared with the registers of `clearing_data`, which rules 1, 3 and 6
hold against the log, by sums that each database works out for itself, and row by row only where the sums differ.
"""
