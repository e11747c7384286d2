"""Shared by all checks of the audit: results, waiting for messages in the queues, checks of contiguous numbers."""
