"""What loads an exchange: the flow of orders, its sender, subscribers."""
