"""The order log, the register of orders, accounts, holdings and the ledger: the truth."""

# Imported so that the metadata has these tables, too, wherever it is read.
from db.clearing_data.competition import tables as competition_tables

__all__ = ["competition_tables"]
