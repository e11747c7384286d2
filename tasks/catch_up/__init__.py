"""Finds messages that the stages after the engine have lost, derives them from the log, and publishes them again."""
