"""The market data feed: what the other stages report, stored and pushed."""
