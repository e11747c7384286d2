"""The transport: frames on WebSockets and Socket.IO, regardless of their content."""
