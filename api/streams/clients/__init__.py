"""The clients of streams: their identity, their limits, and what ends with their connection."""
