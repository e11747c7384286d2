"""The HTTP server: connections, heads, processes, hand-off of sockets."""
