"""What all checks of the audit use: results, waiting for messages in the queues, and checks of contiguous numbers."""
