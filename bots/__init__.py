"""The bots: traders that come in by the front door, HTTP and WebSocket, and know nothing of the exchange's inside."""
