"""The time at which every match begins."""

from __future__ import annotations

from typing import Final

# 2023-11-14 22:13:20 UTC [us since 1970].
START_US: Final = 1_700_000_000_000_000
