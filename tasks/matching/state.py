"""The state of an engine as values: what a snapshot holds, and what two engines are compared by.

The same commands make the same bytes: books stand in the order of their names, orders in the order of their priority,
sets sorted. So the hash of the bytes is the hash of the state, on any machine, with any PYTHONHASHSEED.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

import msgspec
from msgspec import Struct

from tasks.messages import CancelOrder

# Changed with the meaning of a field; a snapshot of another version is not read, and the log is replayed instead.
VERSION: Final = 1


class OrderState(Struct, frozen=True, array_like=True):
    """A resting order; `quantity` is what is open of it [shares]."""

    order_id: int
    client_id: str
    price_cents: int
    quantity: int


class BookState(Struct, frozen=True, array_like=True):
    """One security's book, the orders of each side by priority, and its counters."""

    security_id: str
    bids: list[OrderState]
    asks: list[OrderState]
    last_cents: int | None
    trade_sequence: int
    sequence: int
    updated_us: int


class WaitingCancel(Struct, frozen=True, array_like=True):
    """A cancel that came before its order, as command `seq`."""

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
    """A state as bytes, the same for the same state."""
    return msgspec.msgpack.encode(state)


def decode(body: bytes) -> EngineState:
    """The state of encoded bytes; msgspec.MsgspecError when they are none, or of another version."""
    state = _decoder.decode(body)
    if state.version != VERSION:
        raise msgspec.ValidationError(f"a state of version {state.version}, not {VERSION}")
    return state


def digest(body: bytes) -> bytes:
    """SHA-256 of an encoded state; its hexadecimal form is the state hash."""
    return sha256(body).digest()
