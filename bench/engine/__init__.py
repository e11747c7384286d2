"""The matching engine alone, beside two others from PyPI, on one core."""
