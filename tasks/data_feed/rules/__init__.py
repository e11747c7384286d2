"""The rules of the data feed: books, candles and reports of what the stages publish. Pure."""
