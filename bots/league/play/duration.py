"""Durations in the files of a league; `bots.duration` has their form."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator

from bots.duration import seconds, written

__all__ = ["Seconds", "seconds", "written"]

Seconds = Annotated[float, BeforeValidator(seconds)]
