"""Benchmarks: load an exchange from a process of its own, and time it until everything is settled and stored."""
