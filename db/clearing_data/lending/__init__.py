"""Stock loan: what clients owe, their margin, buy-ins, and the settlement of debts."""
