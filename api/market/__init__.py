"""The market: securities, prices and trades, the leaderboard, netting."""
