"""Values that order entry reads and writes about securities, free of SQLAlchemy."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from tasks.messages import Phase, PhaseCause


class NewPhase(NamedTuple):
    """The phase that a command gives a security."""

    command_id: int
    phase: Phase
    cause: PhaseCause
    ends_us: int | None


class NewSecurity(NamedTuple):
    """A security that is being listed, and the shard assigned to it."""

    security_id: str
    shard: int
    reference_cents: int
    tick_cents: int
    min_price_cents: int
    max_price_cents: int
    issued_shares: int
    maker_fee_ppm: int
    taker_fee_ppm: int
    band_ppm: int | None


class NewSettlement(NamedTuple):
    """The final value of a share of a security."""

    transfer_id: str
    value_cents: int


@dataclass(slots=True)
class SecurityChanges:
    """Changes of securities, and the state they depend on.

    Securities whose rows are locked:
    over         delisted, settled or about to be settled
    busy         with open orders; only with delistings in the batch
    owed         with shares that clients owe; only with delistings in the batch
    ever_listed  ids that are to be listed but already belong, or belonged, to a security
    load         how many securities each shard has; only with listings

    Written at the end of the batch:
    listed, phases, bands, settlements, delisted
    """

    over: set[str] = field(default_factory=set)
    busy: set[str] = field(default_factory=set)
    owed: set[str] = field(default_factory=set)
    ever_listed: set[str] = field(default_factory=set)
    load: Counter[int] = field(default_factory=Counter)
    listed: list[NewSecurity] = field(default_factory=list)
    phases: dict[str, NewPhase] = field(default_factory=dict)
    bands: dict[str, int | None] = field(default_factory=dict)
    settlements: dict[str, NewSettlement] = field(default_factory=dict)
    delisted: set[str] = field(default_factory=set)

    @property
    def are_any(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.listed or self.phases or self.bands or self.settlements or self.delisted)
