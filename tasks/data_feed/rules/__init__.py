"""The rules of the data feed: the books, candles and reports that follow from the stages' messages. Pure."""
