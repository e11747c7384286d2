"""The matching engine: a pure function of a shard's log."""
