"""The HTTP server: connections, heads of requests, processes, handing sockets over."""
