"""The rules of order entry: which requests become commands. Pure."""
