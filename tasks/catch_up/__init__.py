"""Finds what the stages behind the engine have never got, derives it from the log again, and publishes it to them."""
