"""The order log and the register of orders: what order entry writes, and its readers."""
