"""The exchange that is measured: where it is, its accounts, its data, its CPU."""
