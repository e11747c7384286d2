"""Runs the exchange, and its tests, on this machine without containers."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  # an older Python is what this is for
    raise SystemExit("Python 3.11 or newer is needed: install it, and name it with: make up PYTHON=python3.11")
