"""What a request passes: authentication, query, body, listing, databases, time limit."""
