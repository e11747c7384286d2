"""Adds up the updates of books, so that a batch changes each level once."""

from __future__ import annotations

from collections.abc import Iterable

from tasks.data_feed.rules.rows import BookChange
from tasks.messages import BookUpdate, Side


def changes_of(updates: Iterable[BookUpdate]) -> list[BookChange]:
    """Add up updates: return a change for each run of updates without a gap, usually one for each security.

    The changes of one security are in the order of their sequences. Updates before a snapshot have no effect.
    """
    by_security: dict[str, list[BookUpdate]] = {}
    for update in updates:
        by_security.setdefault(update.security_id, []).append(update)
    return [_add_up(run) for of_security in by_security.values() for run in _runs(of_security)]


def _runs(updates: list[BookUpdate]) -> list[list[BookUpdate]]:
    runs: list[list[BookUpdate]] = []
    for update in sorted(updates, key=lambda update: (update.sequence, update.snapshot)):
        if update.snapshot:
            runs = [[update]]
        elif runs and update.previous_sequence <= runs[-1][-1].sequence:
            runs[-1].append(update)
        else:
            runs.append([update])
    return runs


def _add_up(run: list[BookUpdate]) -> BookChange:
    levels: dict[tuple[Side, int], tuple[int, int, int]] = {}
    for update in run:
        for price_cents, quantity, orders in update.bids:
            levels["buy", price_cents] = quantity, orders, update.sequence
        for price_cents, quantity, orders in update.asks:
            levels["sell", price_cents] = quantity, orders, update.sequence
    first, last = run[0], run[-1]
    return BookChange(
        security_id=first.security_id,
        previous_sequence=min(update.previous_sequence for update in run),
        sequence=last.sequence,
        snapshot=first.sequence if first.snapshot else 0,
        levels=levels,
        bid_cents=last.bid_cents,
        ask_cents=last.ask_cents,
        last_cents=last.last_cents,
        updated_us=last.updated_us,
    )
