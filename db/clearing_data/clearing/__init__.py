"""Clearing: executions, the orders they change, money and shares, final settlements, netting, fees."""
