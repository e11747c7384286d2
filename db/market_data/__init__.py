"""The tables of the data feed, and the functions that write and read them."""
