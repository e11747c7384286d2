"""Accounts: opening and closing, transfers, state, keys, statements, corrections."""
