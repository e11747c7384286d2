"""Rule 8: the feed stores exactly what follows from the log.

The audit compares a replay with the stored trades and books, and with the reports of single orders' events. Most
reports are about requests and trades. These are compared with the registers of `clearing_data`, which rules 1, 3 and 6
compare with the log: by sums that each database computes, and row by row only where the sums differ.
"""
