"""The two databases: `clearing_data` (log, accounts, ledger: the truth) and `market_data` (what the feed stores)."""
