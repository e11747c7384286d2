"""The commands of `make`, one module each."""
