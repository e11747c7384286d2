"""`make audit`, `make bench` and others: runs a module with the environment of the running exchange."""

from __future__ import annotations

import runpy
import sys

from deploy.local.failure import Failure, ending
from deploy.local.places import EXCHANGE
from deploy.local.supervisor import Supervisor

_OURS = frozenset({"api", "bench", "bots", "celery_app", "db", "deploy", "tasks", "tests", ""})


def main() -> int:
    """Run the module in this process, so that its end is that of every command."""
    module, *arguments = sys.argv[1:]
    # Some benchmarks start an exchange of their own, or need none.
    if module != "bench" and not Supervisor(EXCHANGE).runs():
        raise Failure("the exchange is not running: start it with `make up`")
    sys.argv[:] = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] in _OURS:
            raise
        raise Failure(f"{module} needs {missing.name}, which is not installed: `make test` installs it") from None
    except SystemExit as ended:
        if isinstance(ended.code, str):
            raise Failure(ended.code) from None
        return int(ended.code or 0)
    return 0


if __name__ == "__main__":
    raise SystemExit(ending(main))
