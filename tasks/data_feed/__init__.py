"""The market data feed: stores and pushes the reports of the other stages."""
