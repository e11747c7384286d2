"""The process `streams`: raw WebSockets and Socket.IO."""
