"""The steps of every request: authentication, query, body, listing, databases, time limit."""
