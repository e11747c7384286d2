"""Writes the tables of a record as Parquet, for notebooks; needs pyarrow.

Cents, shares and ids are integers as in the CSV files; times are timestamps in UTC.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from bots.competition.record import KINDS

# Columns of text; times end in `_us`, and all others are integers.
_TEXT = frozenset(
    {
        *("security_id", "client_id", "account", "type", "side", "aggressor_side", "time_in_force"),
        *("status", "reason", "kind", "transfer_id"),
    }
)


def write(folder: Path) -> list[Path]:
    """Write a Parquet file next to each CSV file of a saved record, and return the files."""
    return [_write(folder / f"{kind}.csv") for kind in KINDS]


def _write(file: Path) -> Path:
    with file.open(encoding="utf-8") as text:
        names = text.readline().strip().split(",")
    options = arrow_csv.ConvertOptions(
        column_types={name: pa.string() if name in _TEXT else pa.int64() for name in names},
        strings_can_be_null=True,
    )
    table = arrow_csv.read_csv(file, convert_options=options)
    timed = pa.schema(
        pa.field(column.name, pa.timestamp("us", tz="UTC") if column.name.endswith("_us") else column.type)
        for column in table.schema
    )
    written = file.with_suffix(".parquet")
    parquet.write_table(table.cast(timed), written)
    return written
