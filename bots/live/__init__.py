"""Runs one bot on the exchange: reads its streams, calls its strategy, sends its orders, and reports how it ends."""
