"""Stock loan: what clients owe, their margin, and buy-ins."""
