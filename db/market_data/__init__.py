"""What the data feed stores, and the reads of it."""
