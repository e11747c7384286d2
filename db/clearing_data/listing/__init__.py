"""The listing: securities, their phases, and the trading day."""
