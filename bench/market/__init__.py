"""Figures of the market that `make up` starts: in simulated time, and of an exchange that runs."""
