"""The matching stage: one book a security, matched by price, then time."""
