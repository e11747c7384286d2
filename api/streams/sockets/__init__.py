"""Frames on WebSockets and Socket.IO, whatever is in them."""
