"""Everything that a key can read: each GET route that the api describes, with parameters that the test chooses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import requests


def every_read(
    url: str, key: str | None, values: Mapping[str, object], *, query: str = ""
) -> Iterator[tuple[str, requests.Response]]:
    """Ask every route with a key; yield the route, as the description has it, and the answer.

    values  of parameters in paths, such as {"security_id": "MSFT"}; others are "none"
    """
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    paths: dict[str, Any] = requests.get(f"{url}/openapi.json", timeout=20).json()["paths"]
    for route, operations in paths.items():
        if "get" not in operations:
            continue
        path = "/".join(
            part.replace(part[part.find("{") : part.find("}") + 1], str(values.get(part[1 : part.find("}")], "none")))
            if part.startswith("{")
            else part
            for part in route.split("/")
        )
        yield route, requests.get(url + path + query, headers=headers, timeout=20)
