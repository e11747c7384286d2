"""`python -m bench.market`: the market of `make up`, in simulated time or on the running exchange."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.market.figures import as_text
from bench.market.live import measure
from bench.market.simulated import play
from bots.errors import ExchangeError
from celery_app.settings import read_settings
from deploy.market_file import MarketFileError


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; exit status 1 and one sentence if that fails."""
    settings = read_settings()
    command = argparse.ArgumentParser(prog="python -m bench.market", description=(__doc__ or "").partition("\n")[0])
    command.add_argument("--hours", type=float, default=24.0, help="of simulated time (default: %(default)s)")
    command.add_argument("--seed", type=int, default=1, help="of the simulation (default: %(default)s)")
    command.add_argument("--market", type=Path, default=settings.market, help="its file (default: %(default)s)")
    command.add_argument("--live", action="store_true", help="watch the running exchange instead")
    command.add_argument("--minutes", type=float, default=5.0, help="to watch it for (default: %(default)s)")
    command.add_argument(
        "--url", default=f"http://{settings.api_host}:{settings.api_port}", help="its address (default: %(default)s)"
    )
    command.add_argument(
        "--keys-file",
        type=Path,
        default=settings.run_directory / "keys.json",
        help="its keys, next to the hidden values (default: %(default)s)",
    )
    options = command.parse_args(arguments)
    try:
        found = (
            measure(options.url, options.keys_file, minutes=options.minutes)
            if options.live
            else play(options.market, hours=options.hours, seed=options.seed)
        )
    except (ExchangeError, MarketFileError, OSError) as fault:
        print(f"python -m bench.market: {fault}", file=sys.stderr)
        return 1
    print(as_text(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
