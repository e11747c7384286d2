"""Faults of an exchange by their names: each breaks a rule of the audit, which has to name the row."""

from __future__ import annotations

from tests.tasks.audit.faults import clearing_data, market_data
from tests.tasks.audit.faults.loans import LOAN_FAULTS
from tests.tasks.audit.faults.replaces import REPLACE_FAULTS

FAULTS = clearing_data.FAULTS | market_data.FAULTS

__all__ = ["FAULTS", "LOAN_FAULTS", "REPLACE_FAULTS"]
