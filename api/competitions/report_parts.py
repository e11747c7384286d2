"""Parts of the report of a competition: tables, and amounts of money."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def money(amount: Any) -> str:
    """Format dollars; a loss has a minus and a colour."""
    return f'<span class="minus">&minus;{-amount:,}</span>' if amount < 0 else f"{amount:,}"


def signed(number: Any) -> str:
    """Format a number with a minus as wide as its digits."""
    return f"{number:,}".replace("-", "&minus;")


def table(head: Iterable[str], rows: Iterable[Iterable[str]], *, kind: str = "") -> str:
    """Return a table that scrolls on narrow screens; the cells are HTML."""
    cells = "".join(f'<th scope="col">{name}</th>' for name in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table class="{kind}"><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>'
    )
