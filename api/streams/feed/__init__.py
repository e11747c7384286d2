"""What streams say: prices, books, trades, candles, reports, the pipeline."""
