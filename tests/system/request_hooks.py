"""Loaded by schemathesis: most requests name a listed security, so that not all of them fail there."""

from __future__ import annotations

from typing import Any

import schemathesis
from schemathesis import HookContext


@schemathesis.hook
def map_body(context: HookContext, body: Any) -> Any:
    """Put a listed security in place of a random text."""
    for request in body if isinstance(body, list) else [body]:
        if isinstance(request, dict) and isinstance(request.get("security_id"), str):
            request["security_id"] = "MSFT"
    return body
