"""The clients of streams: who they are, and what ends with their connection."""
