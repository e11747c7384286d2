"""The clients: accounts, limits, keys, standings, statements."""
