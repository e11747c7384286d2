"""The intake of orders: from a well-formed request to a confirmed message on the queue."""
