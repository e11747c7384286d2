"""The exchange under measurement: its address, accounts, data and CPU."""
