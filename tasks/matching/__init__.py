"""The matching stage: one book for each security, matched by price, then time."""
