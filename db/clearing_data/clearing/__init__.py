"""Clearing: executions, the orders they change, money and shares, netting, fees."""
