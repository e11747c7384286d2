"""The checks of rules 1 to 7, on the log and `clearing_data`, and the replay that rule 8 uses as well."""
