"""The order log, the register of orders, accounts, holdings and the ledger: the truth."""
