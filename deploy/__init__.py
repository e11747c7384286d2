"""How the exchange is run: the list of its processes, its containers, and `make up` on one machine."""
