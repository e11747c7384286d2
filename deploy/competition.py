"""`python -m deploy.competition CASE.toml`: creates a competition on the running exchange and prints its links.

The api checks the case; every fault is printed with its place in the file.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tomllib
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import requests

from bots.live.access import ADMIN_ENTRY
from celery_app.settings import settings

_encode = msgspec.json.Encoder(decimal_format="number").encode
_TIMEOUT_S = 20


class NotCreated(Exception):
    """The competition was not created; the message says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Create a competition and print its links; exit status 1 and every fault if that fails."""
    parser = argparse.ArgumentParser(prog="make competition", description="Create a competition from a case.")
    parser.add_argument("case", type=Path, metavar="CASE", help="a TOML or JSON file, such as deploy/cases/news.toml")
    parser.add_argument("--url", help="the exchange (default: the one that runs here)")
    parser.add_argument("--key", help="the admin's key (default: the one in .run/keys.json)")
    parser.add_argument("--invites", type=int, help="how many invitations to make (default: max_teams of the case)")
    asked = parser.parse_args(arguments)
    s = settings()
    url = (asked.url or f"http://127.0.0.1:{s.api_port}").rstrip("/")
    try:
        key = asked.key or json.loads((s.run_directory / "keys.json").read_text())[ADMIN_ENTRY]
        case = read(asked.case)
        print(create(case, url=url, key=key, named=str(asked.case), invites=asked.invites))
    except (NotCreated, OSError, KeyError, ValueError) as fault:
        print(f"no competition: {fault}", file=sys.stderr)
        return 1
    return 0


def read(file: Path) -> dict[str, Any]:
    """Return the content of a case's file.

    raises  NotCreated  it cannot be read, or is neither TOML nor JSON
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise NotCreated(f"{file} cannot be read: {getattr(fault, 'strerror', None) or 'it is no text'}") from None
    try:
        if file.suffix == ".json":
            content: dict[str, Any] = json.loads(text, parse_float=Decimal)
            return content
        return tomllib.loads(text, parse_float=Decimal)
    except (tomllib.TOMLDecodeError, json.JSONDecodeError) as fault:
        raise NotCreated(f"{file} cannot be read: {fault}") from None


def create(case: dict[str, Any], *, url: str, key: str, named: str = "the case", invites: int | None = None) -> str:
    """Create a competition with invitations, and return its links, a line each.

    raises  NotCreated  with every fault of the case and its place
    """
    competition_id = _ask("POST", f"{url}/competitions", key, case, named)["competition_id"]
    competition = _ask("GET", f"{url}/competitions/{competition_id}", key, None, named)
    count = invites or competition["max_teams"]
    links = _ask("POST", f"{url}/competitions/{competition_id}/invites", key, {"count": count}, named)["invites"]
    lines = [
        f"competition  {competition_id}  {competition['name']}",
        f"console      {url}/console#{competition_id}",
        f"projector    {url}/projector/{competition_id}",
        "invitations, one for each team:",
        *(f"  {link}" for link in links),
    ]
    return "\n".join(lines)


def _ask(method: str, url: str, key: str, content: Any, named: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", "Accept": "application/json"}
    body = None if content is None else _encode(content)
    try:
        answer = requests.request(method, url, data=body, headers=headers, timeout=_TIMEOUT_S)
        found: dict[str, Any] = answer.json()
    except requests.RequestException as fault:
        raise NotCreated(f"{url} does not answer ({type(fault).__name__}): is the exchange up?") from None
    if answer.ok:
        return found
    faults = [f"  {place_of(fault['pointer'])}: {fault['detail']}" for fault in found.get("errors", [])]
    raise NotCreated("\n".join([f"{named}: {found['detail']}", *faults]))


def place_of(pointer: str) -> str:
    """Return a JSON pointer as a place in the file, whose tables are counted from 1: securities[3].band."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    place = "".join(f"[{int(part) + 1}]" if re.fullmatch(r"\d+", part) else f".{part}" for part in parts)
    return place.removeprefix(".") or "as a whole"


if __name__ == "__main__":
    raise SystemExit(main())
