"""`python -m bench.cluster`: faults happen to the hosts of a running cluster under load, and nothing may be lost."""
