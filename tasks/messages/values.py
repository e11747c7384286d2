"""The values in messages: the words that a field may take, and the ranges of its numbers and texts."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta

Side = Literal["buy", "sell"]
TimeInForce = Literal["gtc", "ioc", "fok", "day", "gtd", "auction"]
# The times in force of orders that may rest in continuous trading.
RESTING: Final[frozenset[TimeInForce]] = frozenset({"gtc", "day", "gtd"})
OrderType = Literal["limit", "market", "stop", "stop_limit"]
Phase = Literal["closed", "auction", "continuous", "halted"]
PhaseCause = Literal["admin", "schedule", "volatility"]

OrderId = Annotated[int, Meta(ge=1, lt=2**53)]
Sequence = Annotated[int, Meta(ge=0, lt=2**53)]
Shard = Annotated[int, Meta(ge=0, le=61)]
Quantity = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Amount = Annotated[int, Meta(ge=0, lt=2**53)]
PriceCents = Annotated[int, Meta(ge=1, le=10**9)]
BandPpm = Annotated[int, Meta(ge=1, lt=10**6)]  # of a price, in millionths: 100,000 is a tenth
Microseconds = Annotated[int, Meta(ge=0, lt=2**53)]
EventId = Annotated[int, Meta(ge=1, le=2**63 - 1)]
ClientId = Annotated[str, Meta(min_length=1, max_length=48)]
SecurityId = Annotated[str, Meta(min_length=1, max_length=12)]
ListedId = Annotated[str, Meta(pattern=r"^[A-Z0-9.]{1,12}\Z")]
FeePpm = Annotated[int, Meta(gt=-(10**6), lt=10**6)]  # of the cash of a trade; see tasks.shared.rules.fees
Reason = Annotated[str, Meta(min_length=1, max_length=48)]
# Event ids [from, to) of one shard; see tasks.shared.rules.coverage.
Covered = tuple[EventId, EventId]


Level = tuple[PriceCents, Annotated[int, Meta(ge=0)], Annotated[int, Meta(ge=0)]]
