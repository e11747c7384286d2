"""The HTTP interface: orders, accounts, market data; its streams are a process of their own."""
