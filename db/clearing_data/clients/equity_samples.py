"""What clients were worth in the past: a sample every few seconds, of which the older ones are thinned out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import insert

from db.clearing_data.tables import equity_samples

# A sample is due at the multiples of this, so that several processes which take them take the same ones [us].
EVERY_US = 10_000_000
# What is older than this has one sample a minute, and what is older than that has none [us].
THINNED_AFTER_US = 3_600_000_000
THINNED_TO_US = 60_000_000
KEPT_US = 24 * 3_600_000_000

_THIN_OUT = text(
    "DELETE FROM equity_samples WHERE sampled_us < :oldest_us "
    "OR (sampled_us < :thinned_us AND sampled_us % :each_us <> 0)"
)
# Of a long time every n-th sample, and always the latest one; of each the clients that are the richest in the latest.
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
    """What clients were worth at a time.

    standings  by client, equity [cents] and return [millionths], None where there is none
    """

    sampled_us: int
    standings: Mapping[str, tuple[int, int | None]]


def add(tx: Connection, sample: Sample) -> None:
    """Keep a sample, unless there is one of its time, and let go what is too old."""
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
    """Return whether there is a sample."""
    return bool(tx.execute(text("SELECT EXISTS (SELECT FROM equity_samples)")).scalar_one())


def since(tx: Connection, since_us: int, *, most: int, richest: int | None = None) -> list[Sample]:
    """Return the samples since a time, oldest first; of more than `most` some in even distances, the latest among them.

    richest  so many clients, by what they are worth in the latest sample; None for all
    """
    rows = tx.execute(_SAMPLES, {"since_us": since_us, "most": most, "richest": richest})
    return [
        Sample(sampled_us, {client_id: (equity, ppm) for client_id, (equity, ppm) in (standings or {}).items()})
        for sampled_us, standings in rows
    ]
