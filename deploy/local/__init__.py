"""Runs the exchange, and its tests, on this machine without containers."""

import sys

_DOCKER = "use Docker instead: cp .env.example .env && docker-compose up"

if sys.platform != "linux":
    raise SystemExit(f"The exchange runs on Linux only; on this system, {_DOCKER}")
if not (3, 11) <= sys.version_info < (3, 14):
    raise SystemExit(
        f"The exchange needs Python 3.11 to 3.13, and this is {sys.version_info[0]}.{sys.version_info[1]}: "
        f"install one of these and name it with: make up PYTHON=python3.13; or {_DOCKER}"
    )
