"""The metadata and the type of texts that all tables of `clearing_data` share."""

from __future__ import annotations

from sqlalchemy import MetaData
from sqlalchemy import Text as AnyText

metadata = MetaData()

Text = AnyText(collation="C")
