"""Phases and auctions as the feed stores and pushes them: for each security the last one counts."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from tasks.messages import AuctionUpdate, FeedBatch, PhaseCause, PhaseChanged, SecurityEvent, Side
from tasks.shared.rules.securities import SecurityPhase, phase_ends_us


class PhaseState(Struct, frozen=True, array_like=True, gc=False):
    """The phase of a security; `sequence` counts its phases from 1, and is 0 until the phase is stored."""

    security_id: str
    sequence: int
    event_id: int
    phase: SecurityPhase
    cause: PhaseCause | None
    ends_us: int | None
    changed_us: int


class AuctionState(Struct, frozen=True, array_like=True, gc=False):
    """The indicative outcome of a security's auction; `sequence` counts the updates from 1, and is 0 until stored."""

    security_id: str
    sequence: int
    price_cents: int | None
    volume: int
    surplus: int
    surplus_side: Side | None
    updated_us: int


def phases_of(batches: Iterable[FeedBatch], *, volatility_auction_us: int | None) -> list[PhaseState]:
    """Return the last phase of each security in the batches, in the order of their names.

    volatility_auction_us  length of an auction that the engine begins itself; None leaves its end open
    """
    last: dict[str, PhaseState] = {}
    for batch in batches:
        for event in batch.securities:
            phase = _phase_of(event, volatility_auction_us)
            known = last.get(phase.security_id)
            if known is None or known.event_id < phase.event_id:
                last[phase.security_id] = phase
    return [last[security_id] for security_id in sorted(last)]


def _phase_of(event: SecurityEvent, volatility_auction_us: int | None) -> PhaseState:
    if not isinstance(event, PhaseChanged):
        return PhaseState(event.security_id, 0, event.event_id, "settled", "admin", None, event.settled_us)
    ends_us = phase_ends_us(event, volatility_auction_us)
    return PhaseState(event.security_id, 0, event.event_id, event.phase, event.cause, ends_us, event.changed_us)


def auctions_of(batches: Iterable[FeedBatch]) -> list[AuctionState]:
    """Return the last update of each security's auction in the batches, in the order of their names."""
    last: dict[str, AuctionUpdate] = {}
    for batch in batches:
        for update in batch.auctions:
            known = last.get(update.security_id)
            if known is None or known.updated_us <= update.updated_us:
                last[update.security_id] = update
    return [
        AuctionState(
            security_id, 0, one.price_cents, one.volume, one.surplus, one.surplus_side, updated_us=one.updated_us
        )
        for security_id, one in sorted(last.items())
    ]
