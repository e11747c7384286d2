"""Benchmarks: a load generator in a process of its own, and how long the exchange takes until all is settled."""
