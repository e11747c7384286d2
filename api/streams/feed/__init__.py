"""The contents of the streams: prices, books, trades, candles, reports, the pipeline."""
