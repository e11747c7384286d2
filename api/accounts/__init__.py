"""Accounts: opening and closing them, transfers, state, keys, statements, corrections."""
