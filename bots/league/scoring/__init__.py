"""The scoring of a tournament: figures, ratings, standings, and the properties of the market."""
