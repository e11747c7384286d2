"""The state of an engine as values: the content of a snapshot, and the basis for comparing two engines.

The same commands make the same bytes: books are in the order of their names, orders in the order of their priority,
sets sorted. So the hash of the bytes is the hash of the state, on any machine, with any PYTHONHASHSEED.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

import msgspec
from msgspec import Struct

from tasks.messages import BookState, CancelOrder

# Changed with the meaning of a field; a snapshot of another version is not read, and the log is replayed instead.
VERSION: Final = 3


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
        raise msgspec.ValidationError(f"the state has version {state.version}; this program reads version {VERSION}")
    return state


def digest(body: bytes) -> bytes:
    """Return the SHA-256 of an encoded state; its hexadecimal form is the state hash."""
    return sha256(body).digest()
