"""`python -m bench` measures a running exchange, or with --own one that it starts for the purpose."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from sqlalchemy.exc import ProgrammingError

from bench.against import compare
from bench.engine import contest
from bench.load.usual import UnusualRun
from bench.scenarios import anonymous, feed, front_door, latency, moves, reads, recovery, report, throughput
from bench.settlement import measure as settlement
from bench.target import flames
from bench.target.accounts import NoAccounts
from bench.target.exchange import Exchange, running_exchange
from bench.target.own import OwnExchange, trading_exchange
from bots.errors import ExchangeError
from celery_app.settings import Settings, settings
from deploy.local.failure import Failure

SCENARIOS = {
    "latency": "100 single orders a second; POST to trade report on the WebSocket",
    "singles": "single orders over 64 connections, at the highest rate that the exchange settles and stores",
    "arrays": "arrays of 100 orders over 20 connections, at the highest rate that it settles and stores",
    "feed": "200 subscribers of the streams next to 500 single orders a second, and their cost",
    "api": "single orders and arrays of 100, at the highest rate that one api process accepts; always with --own",
}
FEED = "feed"
ANONYMOUS = "anonymous"
MOVES = "moves"
# On an exchange, and not part of all.
ON_REQUEST = {
    ANONYMOUS: "a trader's answers next to floods of requests without a valid key; not part of all",
    MOVES: "securities that move to other shards under load; needs several, as SHARDS=6 with --own; not part of all",
}
ORDER_ENTRY = "order_entry"
API = "api"

ENGINE = "engine"
ENGINE_MEANS = "the matching engine alone, next to two others from PyPI; needs no exchange"
RECOVERY = "recovery"
READS = "reads"
# One part alone, on services of its own; not part of all.
PARTS = {
    RECOVERY: "restarts, snapshots and standbys of a shard",
    "settlement": "trades settled by one worker and by two, without queues",
    "audit": "an audit of a million trades",
    READS: "each read of the api, with 10 million reports and 1.7 million trades stored; --trades for more",
}


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    own = settings()
    listed = SCENARIOS | {ENGINE: ENGINE_MEANS} | ON_REQUEST | PARTS
    scenarios = "\n".join(f"  {name:12}{meaning}" for name, meaning in listed.items())
    command = argparse.ArgumentParser(
        prog="python -m bench",
        description=f"Measure the throughput and latency of an exchange.\n\nscenarios:\n{scenarios}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--scenario", choices=[*listed, "all"], default="all", help="default: %(default)s")
    command.add_argument("--seconds", type=float, default=60.0, help="length of each scenario (default: %(default)s)")
    command.add_argument("--array-size", type=int, default=100, metavar="N", help="orders in an array (default: 100)")
    command.add_argument("--connections", type=int, metavar="N", help="HTTP connections (default: by the scenario)")
    command.add_argument("--rate", type=float, metavar="N", help="orders a second, open loop (default: closed loop)")
    command.add_argument("--cancels", type=int, default=0, metavar="N", help="cancels in each array (default: none)")
    command.add_argument(
        "--in-flight", type=int, default=20_000, metavar="N", help="most unfinished orders (default: 20,000)"
    )
    command.add_argument(
        "--commands", type=int, default=1_000_000, metavar="N", help="length of recovery's log (default: 1,000,000)"
    )
    command.add_argument(
        "--trades",
        type=int,
        metavar="N",
        help="trades of settlement (default: 200,000), audit (default: 1,000,000) and reads (default: 1,700,000)",
    )
    command.add_argument("--seed", type=int, default=1, help="seed of the order flow (default: 1)")
    command.add_argument("--own", action="store_true", help="start a new exchange without bots, and measure that")
    command.add_argument(
        "--url", default=f"http://{own.api_host}:{own.api_port}", help="address of the exchange (default: %(default)s)"
    )
    command.add_argument(
        "--against",
        metavar="COMMIT",
        help=f"compare this tree with a commit, in alternation: {', '.join(compare.SCENARIOS)}, or all of these",
    )
    command.add_argument("--pairs", type=int, default=5, metavar="N", help="pairs of runs with --against (default: 5)")
    command.add_argument(
        "--flames", type=Path, metavar="FOLDER", help="write a flame graph of each process; needs py-spy"
    )
    command.add_argument(
        "--results", type=Path, default=report.RESULTS, help="folder of the reports (default: %(default)s)"
    )
    return command


def run(exchange: Exchange, scenario: str, options: argparse.Namespace) -> report.Section:
    """Run one scenario."""
    if scenario == "latency":
        return report.latency_section(
            scenario, latency.measure(exchange, rate=options.rate or 100.0, seconds=options.seconds)
        )
    if scenario == FEED:
        return feed.measure(exchange, seconds=options.seconds, in_flight=options.in_flight, seed=options.seed)
    if scenario == ANONYMOUS:
        return anonymous.measure(exchange, seconds=options.seconds)
    if scenario == MOVES:
        return moves.measure(exchange, seconds=options.seconds, seed=options.seed)
    plan = exchange.plan(
        connections=options.connections or (64 if scenario == "singles" else 20),
        array_size=0 if scenario == "singles" else options.array_size,
        seconds=options.seconds,
        rate=options.rate,
        cancels=0 if scenario == "singles" else options.cancels,
        seed=options.seed,
    )
    outcome = throughput.measure(exchange, plan, in_flight=options.in_flight)
    return report.throughput_section(scenario, plan, outcome, in_flight=options.in_flight)


def measure(
    options: argparse.Namespace, url: str, settings: Settings, own: OwnExchange | None = None
) -> tuple[dict[str, str], list[report.Section]]:
    """Run the requested scenarios on the exchange at an address; `own` if the benchmark may stop its processes."""
    exchange = running_exchange(url, settings)
    facts = report.machine(exchange)
    sections = []
    for scenario in SCENARIOS if options.scenario == "all" else [options.scenario]:
        if scenario == "api" and own is None:
            continue  # it would stop the order entry of an exchange in use
        means = (SCENARIOS | ON_REQUEST)[scenario]
        print(
            f"{scenario}: {means}; {options.seconds:.0f} s ...",
            file=sys.stderr,
            flush=True,
        )
        if scenario == "api" and own is not None:
            # The last scenario: the orders that it leaves on the queue disappear with the exchange.
            own.supervisor.stop([process.name for process in own.processes if process.name.startswith(ORDER_ENTRY)])
            outcome = front_door.measure(exchange, seconds=options.seconds, seed=options.seed)
            sections.append(front_door.section(scenario, outcome))
        else:
            with flames.recorded(exchange.run_directory, options.flames, scenario) if options.flames else nullcontext():
                sections.append(run(exchange, scenario, options))
    if options.scenario == "all":
        sections.append(measure_engine(options))
    return facts, sections


def measure_engine(options: argparse.Namespace) -> report.Section:
    """Run the scenario of the engines."""
    print(f"{ENGINE}: {ENGINE_MEANS} ...", file=sys.stderr, flush=True)
    return contest.measure(seed=options.seed)


def measure_part(options: argparse.Namespace, own: OwnExchange) -> tuple[dict[str, str], list[report.Section]]:
    """Stop the workers of an exchange, and measure one part on its services."""
    exchange = running_exchange(own.url, own.settings)
    facts = report.machine(exchange)
    own.supervisor.stop([one.name for one in own.processes if options.scenario != READS or one.name != API])
    if options.scenario == RECOVERY:
        return facts, [recovery.measure(exchange, commands=options.commands, seed=options.seed)]
    if options.scenario == READS:
        return facts, [
            reads.measure(exchange, trades=options.trades or 1_700_000, seconds=options.seconds, seed=options.seed)
        ]
    urls = own.settings.clearing_data_url.get_secret_value(), own.settings.market_data_url.get_secret_value()
    if options.scenario == "audit":
        return facts, [settlement.audit_section(urls, trades=options.trades or 1_000_000, seed=options.seed)]
    return facts, [settlement.settlement_section(urls, trades=options.trades or 200_000, seed=options.seed)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write the report; exit status 1 and one sentence when that fails."""
    command = parser()
    options = command.parse_args(arguments)
    if options.against and options.scenario not in (*compare.SCENARIOS, "all"):
        command.error(f"--against takes --scenario {', '.join(compare.SCENARIOS)} or all")
    if options.pairs < 1:
        command.error("--pairs must be at least 1")
    try:
        if options.against:
            print(f"written to {compare.measure(options)}", file=sys.stderr)
            return 0
        if options.scenario == ENGINE:
            facts, sections = report.machine(None), [measure_engine(options)]
        elif options.scenario in PARTS:
            with trading_exchange() as own:
                facts, sections = measure_part(options, own)
        elif options.own or options.scenario == "api":
            with trading_exchange() as own:
                facts, sections = measure(options, own.url, own.settings, own)
        else:
            facts, sections = measure(options, options.url, settings())
    except FileNotFoundError as fault:
        print(f"python -m bench: {fault.filename} does not exist; start an exchange with: make up", file=sys.stderr)
        return 1
    except ProgrammingError as fault:
        print(
            f"python -m bench: this exchange has other tables than this benchmark reads ({fault.orig}); "
            "measure it with the benchmark of its own commit",
            file=sys.stderr,
        )
        return compare.UNKNOWN_TABLES
    except (ExchangeError, Failure, NoAccounts, TimeoutError, UnusualRun, throughput.NotDrained) as fault:
        print(f"python -m bench: {fault}", file=sys.stderr)
        return 1
    print(report.as_text(facts, sections))
    print(f"written to {report.write(facts, sections, options.results)}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
