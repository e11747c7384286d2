"""Loaded by schemathesis: most requests name a security that is listed, so that not all of them end there."""

from __future__ import annotations

from typing import Any

import schemathesis
from schemathesis import HookContext


@schemathesis.hook
def map_body(context: HookContext, body: Any) -> Any:
    """Name a listed security wherever some text stands for one."""
    for request in body if isinstance(body, list) else [body]:
        if isinstance(request, dict) and isinstance(request.get("security_id"), str):
            request["security_id"] = "MSFT"
    return body
