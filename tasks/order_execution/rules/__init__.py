"""The rules of the clearinghouse. Pure."""
