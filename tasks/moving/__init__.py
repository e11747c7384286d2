"""Moves a security to another shard while the exchange trades."""
