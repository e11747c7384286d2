"""`make cluster`, `make cluster-down`: the exchange on three namespaces of this machine, see deploy.cluster."""

from __future__ import annotations

from deploy.cluster.__main__ import main
from deploy.local.failure import ending

if __name__ == "__main__":
    raise SystemExit(ending(main, left_by_interrupt=": what has started keeps running; `make cluster-down` stops it"))
