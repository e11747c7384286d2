"""Changing the limits of an account."""

from __future__ import annotations

from typing import Any

from api.request.databases import writing
from api.wire.limits import LimitsChange, changes_of, limits_of
from api.wire.problems import invalid, not_found
from api.wire.shapes import shape_of
from db.clearing_data.clients import limits as account_limits
from db.connect import Database


def change(clearing_data: Database, client_id: str, content: Any) -> dict[str, Any]:
    """Change the limits that a body names, and return all of the account. Raises Problem (404, 422, 503)."""
    changes = changes_of(shape_of(content, LimitsChange).limits)
    if not changes:
        raise invalid("/limits", "changes nothing: give at least one limit")
    with writing(clearing_data) as tx:
        limits = account_limits.change(tx, client_id, changes)
    if limits is None:
        raise not_found("account")
    return {"client_id": client_id, "limits": limits_of(limits)}
