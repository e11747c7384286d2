"""The equity of clients in the past: a sample every few seconds, of which older ones are thinned out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import insert

from db.clearing_data.tables import equity_samples

# A sample is due at multiples of this, so that several processes take the same samples [us].
EVERY_US = 10_000_000
# Beyond the first age one sample a minute is kept, beyond the second no sample [us].
THINNED_AFTER_US = 3_600_000_000
THINNED_TO_US = 60_000_000
KEPT_US = 24 * 3_600_000_000

_THIN_OUT = text(
    "DELETE FROM equity_samples WHERE sampled_us < :oldest_us "
    "OR (sampled_us < :thinned_us AND sampled_us % :each_us <> 0)"
)
# For a long period, every n-th sample and always the latest; in each, the clients that are richest in the latest.
_SAMPLES = text(
    "WITH recent AS (SELECT sampled_us, standings, "
    "row_number() OVER (ORDER BY sampled_us DESC) - 1 AS place, count(*) OVER () AS found "
    "FROM equity_samples WHERE sampled_us >= :since_us), "
    "richest AS (SELECT key FROM recent, jsonb_each(standings) WHERE place = 0 "
    'ORDER BY CAST(value ->> 0 AS bigint) DESC, key COLLATE "C" LIMIT :richest) '
    "SELECT sampled_us, (SELECT jsonb_object_agg(key, standings -> key) FROM richest WHERE standings ? key) "
    "FROM recent WHERE place % ((found + :most - 1) / :most) = 0 ORDER BY sampled_us"
)


class Sample(NamedTuple):
    """The equity of clients at one time.

    standings  by client: equity [cents] and return [millionths], None where the client has no return
    """

    sampled_us: int
    standings: Mapping[str, tuple[int, int | None]]


def add(tx: Connection, sample: Sample) -> None:
    """Store a sample, unless there is one of its time, and delete samples that are too old."""
    row = {"sampled_us": sample.sampled_us, "standings": sample.standings}
    tx.execute(insert(equity_samples).values(row).on_conflict_do_nothing())
    tx.execute(
        _THIN_OUT,
        {
            "oldest_us": sample.sampled_us - KEPT_US,
            "thinned_us": sample.sampled_us - THINNED_AFTER_US,
            "each_us": THINNED_TO_US,
        },
    )


def any_exist(tx: Connection) -> bool:
    """Return whether there are any samples."""
    return bool(tx.execute(text("SELECT EXISTS (SELECT FROM equity_samples)")).scalar_one())


def since(tx: Connection, since_us: int, *, most: int, richest: int | None = None) -> list[Sample]:
    """Return the samples since a time, oldest first; if there are more than `most`, evenly spaced ones with the latest.

    richest  number of clients, the richest in the latest sample; None for all clients
    """
    rows = tx.execute(_SAMPLES, {"since_us": since_us, "most": most, "richest": richest})
    return [
        Sample(sampled_us, {client_id: (equity, ppm) for client_id, (equity, ppm) in (standings or {}).items()})
        for sampled_us, standings in rows
    ]
