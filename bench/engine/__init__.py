"""The matching engine alone on one core, next to two others from PyPI."""
