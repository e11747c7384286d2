"""How it is scored: figures, ratings, standings, and what the market was like."""
