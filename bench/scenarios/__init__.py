"""The scenarios, and the report of their figures."""
