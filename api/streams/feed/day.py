"""The streams of phases and of auctions: the latest of each security, absolute like prices.

No function here except `read` waits for anything, so a snapshot and the updates after it fit together.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple, get_args

import msgspec
from msgspec import Raw
from sqlalchemy import Connection

from api.request.listing import Listing
from api.streams.feed.forms import Event, Kind, content_of
from api.streams.sockets.rooms import Rooms, room_of
from api.wire.auctions import auction_of, phase_of
from api.wire.outgoing import time_of
from db.market_data import day_store
from tasks.data_feed.outgoing import Push
from tasks.data_feed.rules.day import AuctionState, PhaseState

Channel = Literal["phase", "auction"]
CHANNELS: tuple[Channel, ...] = get_args(Channel)

_phase_of = msgspec.json.Decoder(PhaseState).decode
_auction_of = msgspec.json.Decoder(AuctionState).decode


class Stored(NamedTuple):
    """The data in Postgres of all securities."""

    phases: list[PhaseState]
    auctions: list[AuctionState]


def read(tx: Connection) -> Stored:
    """Read the phases and auctions of all securities."""
    return Stored(day_store.phases(tx), day_store.auctions(tx))


class DayStreams:
    """The phases and auctions as their subscribers know them."""

    def __init__(self, rooms: Rooms, listing: Listing) -> None:
        self._rooms = rooms
        self._listing = listing
        self._phases: dict[str, PhaseState] = {}
        self._auctions: dict[str, AuctionState] = {}

    # -- what is new -------------------------------------------------------------------------------------------------

    def publish(self, push: Push) -> bool:
        """Send what is new. Returns False: states are absolute, so nothing earlier is ever missing."""
        for update in push.phases:
            self._move_phase(_phase_of(update.data), "update")
        for update in push.auctions:
            self._move_auction(_auction_of(update.data), "update")
        return False

    def catch_up(self, stored: Stored, *, repeat: bool) -> None:
        """Send what Postgres has: what is new or, with `repeat`, all of it."""
        for phase in stored.phases:
            self._move_phase(phase, "snapshot", repeat=repeat)
        for auction in stored.auctions:
            self._move_auction(auction, "snapshot", repeat=repeat)

    def _move_phase(self, phase: PhaseState, kind: Kind, *, repeat: bool = False) -> None:
        before = self._phase(phase.security_id)
        if phase.sequence > before.sequence:
            self._phases[phase.security_id] = phase
        elif not repeat:
            return
        self._send("phase", phase.security_id, kind, before.sequence)

    def _move_auction(self, auction: AuctionState, kind: Kind, *, repeat: bool = False) -> None:
        before = self._auction(auction.security_id)
        if auction.sequence > before.sequence:
            self._auctions[auction.security_id] = auction
        elif not repeat:
            return
        self._send("auction", auction.security_id, kind, before.sequence)

    def _send(self, channel: Channel, security_id: str, kind: Kind, previous_sequence: int) -> None:
        room = room_of(channel, security_id)
        if not self._rooms.is_empty(room):
            self._rooms.send(channel, content_of(self._event(channel, security_id, kind, previous_sequence)), room)

    # -- subscribers -------------------------------------------------------------------------------------------------

    def snapshot(self, channel: Channel, security_id: str) -> Raw:
        """Return what a subscriber of a channel begins with."""
        return content_of(self._event(channel, security_id, "snapshot", 0))

    def sequences(self) -> dict[Channel, dict[str, int]]:
        """Return the last sequence sent of each channel and security."""
        return {"phase": _sequences(self._phases.values()), "auction": _sequences(self._auctions.values())}

    def _event(self, channel: Channel, security_id: str, kind: Kind, previous_sequence: int) -> Event:
        phase, auction = self._phase(security_id), self._auction(security_id)
        if channel == "phase":
            sequence, time_us = phase.sequence, phase.changed_us
            data = phase_of(phase.phase, phase.cause, phase.ends_us)
        else:
            sequence, time_us = auction.sequence, auction.updated_us
            data = auction_of(phase.phase, phase.ends_us, auction)
        return Event(
            channel=channel,
            security_id=security_id,
            type=kind,
            sequence=sequence,
            previous_sequence=previous_sequence if kind == "update" else 0,
            timestamp=time_of(time_us) if time_us else None,
            data=data,
        )

    def _phase(self, security_id: str) -> PhaseState:
        """Return the latest phase from the feed or, before the first, that of the listing."""
        if (phase := self._phases.get(security_id)) is not None:
            return phase
        listed = self._listing.all().get(security_id)
        if listed is None:
            return PhaseState(security_id, 0, 0, "continuous", None, None, 0)
        return PhaseState(security_id, 0, 0, listed.phase, listed.phase_cause, listed.phase_ends_us, 0)

    def _auction(self, security_id: str) -> AuctionState:
        return self._auctions.get(security_id) or AuctionState(security_id, 0, None, 0, 0, None, 0)


def _sequences(states: Iterable[PhaseState] | Iterable[AuctionState]) -> dict[str, int]:
    return {state.security_id: state.sequence for state in states}
