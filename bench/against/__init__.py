"""This tree against another commit: exchanges of both in alternation, under the same load."""
