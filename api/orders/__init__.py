"""Orders: placing, replacing, cancelling, reading them, and their reports."""
