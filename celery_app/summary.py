"""A summary of a batch of messages for Flower: its first and its last order.

Only the ends are looked at, so that a summary costs the same however many orders there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct


def summary(batches: Sequence[Struct]) -> str:
    """Return the security and the order id of the first and the last entry; empty where no entry concerns an order."""
    first = next((said for batch in batches for entries in _entries(batch) if (said := _about(entries[0]))), "")
    last = next(
        (said for batch in reversed(batches) for entries in _entries(batch) if (said := _about(entries[-1]))), first
    )
    return first if first == last else f"{first} to {last}"


def _entries(batch: Struct) -> Iterator[Sequence[object]]:
    """Yield the lists of a batch that are not empty; of a report to the feed, each stage fills its own."""
    for name in batch.__struct_fields__:
        entries = getattr(batch, name)
        if isinstance(entries, list) and entries:
            yield entries


def _about(entry: object) -> str:
    security_id = getattr(entry, "security_id", None)
    numbers = (getattr(entry, name, None) for name in ("order_id", "buy_order_id", "command_id"))
    number = next((number for number in numbers if number is not None), None)
    return f"{security_id} {number}" if security_id and number is not None else ""
