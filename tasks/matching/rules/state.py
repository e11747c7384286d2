"""The state of an engine as values: the content of a snapshot, and the basis for comparing two engines.

The same commands make the same bytes: books are in the order of their names, orders in the order of their priority,
sets sorted. So the hash of the bytes is the hash of the state, on any machine, with any PYTHONHASHSEED.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

import msgspec
from msgspec import Struct

from tasks.messages import CancelOrder, Phase, PhaseCause, PlaceOrder, TimeInForce

# Changed with the meaning of a field; a snapshot of another version is not read, and the log is replayed instead.
VERSION: Final = 3


class OrderState(Struct, frozen=True, array_like=True):
    """A resting order with its present terms; `quantity` is the displayed quantity [shares].

    The part of `total` that is neither displayed nor `hidden` was filled. `display_quantity` is 0 if all is displayed.
    """

    order_id: int
    client_id: str
    price_cents: int
    quantity: int
    total: int
    hold_cents: int
    post_only: bool
    hidden: int
    display_quantity: int
    time_in_force: TimeInForce


class BookState(Struct, frozen=True, array_like=True):
    """One security's book: the orders of each side by priority, waiting orders by arrival, its counters and phase."""

    security_id: str
    bids: list[OrderState]
    asks: list[OrderState]
    stops: list[PlaceOrder]
    for_auction: list[PlaceOrder]
    last_cents: int | None
    trade_sequence: int
    sequence: int
    updated_us: int
    phase: Phase
    cause: PhaseCause | None
    ends_us: int | None
    is_over: bool
    reference_cents: int | None
    band_ppm: int | None


class WaitingCancel(Struct, frozen=True, array_like=True):
    """A cancel that was sequenced before its order, as command `seq`."""

    seq: int
    cancel: CancelOrder


class EngineState(Struct, frozen=True, array_like=True):
    """A shard's engine after command `seq`."""

    version: int
    shard: int
    seq: int
    books: list[BookState]
    waiting: list[WaitingCancel]
    closed: list[int]
    closed_before: list[int]


_decoder = msgspec.msgpack.Decoder(EngineState)


def encode(state: EngineState) -> bytes:
    """Return a state as bytes, the same for the same state."""
    return msgspec.msgpack.encode(state)


def decode(body: bytes) -> EngineState:
    """Decode a state; raise msgspec.MsgspecError if the bytes contain none, or one of another version."""
    state = _decoder.decode(body)
    if state.version != VERSION:
        raise msgspec.ValidationError(f"a state of version {state.version}, not {VERSION}")
    return state


def digest(body: bytes) -> bytes:
    """Return the SHA-256 of an encoded state; its hexadecimal form is the state hash."""
    return sha256(body).digest()
