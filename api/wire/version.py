"""The version of the exchange, as its documents and its metrics name it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def _version() -> str:
    try:
        return version("stock-exchange")
    except PackageNotFoundError:  # the exchange runs from a clone, without an installed package
        return "0.1.0"


VERSION = _version()
