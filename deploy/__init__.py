"""Running the exchange: the list of its processes, its containers, and `make up` on one machine."""
