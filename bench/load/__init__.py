"""The load on an exchange: the flow of orders, the generator that sends it, subscribers."""
