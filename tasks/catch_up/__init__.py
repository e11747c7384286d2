"""Finds messages that the stages behind the engine have lost, derives them from the log, and publishes them again."""
