"""The client of the exchange: requests and their repetition, the rate limit, and the streams."""

from bots.client.client import Client

__all__ = ["Client"]
