"""The order execution stage, the clearinghouse: every trade settles once, both legs, or not at all."""
