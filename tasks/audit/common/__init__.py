"""What all checks of the audit use: their outcome, waiting for messages on their way, and numbers without gaps."""
