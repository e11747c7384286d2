"""`python -m bench.chaos`: break an exchange of its own under load. Exit status 1 reports findings."""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections.abc import Sequence
from decimal import Decimal
from itertools import islice
from pathlib import Path

from bench.chaos import report, short_sellers
from bench.chaos.arena import Arena, arena
from bench.chaos.clients import NAMES, SECURITIES, Regulator, Trader
from bench.chaos.faults import FaultRunner
from bench.chaos.pulse import CLIENT as PULSE
from bench.chaos.pulse import Pulse
from bench.chaos.record import Record
from bench.chaos.resenders import NAMES as COPIES
from bench.chaos.resenders import Resender
from bench.chaos.schedule import ON_REQUEST, SHORT, Kind, chosen, faults
from bench.chaos.short_sellers import ShortSeller, Squeezer
from bench.chaos.strangers import Flood, Reader
from bench.chaos.verdict import Judge
from bench.scenarios import report as machine
from bench.target.accounts import admin_key_of
from bots.client import Client
from db.clearing_data.listing import securities
from db.connect import Database
from deploy.local import growth
from deploy.local.failure import Failure
from deploy.local.places import ROOT, Instance

FOLDER = ROOT / ".run-chaos"

CASH = Decimal(20_000)
SHARES = 200


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    command = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    command.add_argument("--seed", type=int, default=secrets.randbelow(100_000), help="seed of faults and orders")
    command.add_argument("--minutes", type=float, default=3.0, help="duration of the faults (default: %(default)s)")
    command.add_argument(
        "--faults",
        metavar="KINDS",
        help=f"kinds of faults, such as `kill,cut`, or all (default: all but {', '.join(ON_REQUEST)})",
    )
    command.add_argument("--short", action="store_true", help="only a few faults of each main kind")
    command.add_argument(
        "--folder", type=Path, default=FOLDER, help="folder of the exchange, its logs and the clients' record"
    )
    command.add_argument(
        "--results", type=Path, default=machine.RESULTS, help="folder of the report (default: %(default)s)"
    )
    return command


def main(arguments: Sequence[str] | None = None) -> int:
    """Start an exchange, break it, and report whether every answer was true."""
    options = parser().parse_args(arguments)
    _say(f"seed {options.seed}; {options.minutes:g} minutes of faults; starting an exchange ...")
    try:
        with arena(Instance(options.folder.resolve())) as chaos:
            cards = SHORT if options.short else chosen(chaos.cards, options.faults)
            shown = _run(chaos, seed=options.seed, seconds=options.minutes * 60, cards=cards, short=options.short)
    except (Failure, ValueError) as failure:
        _say(f"python -m bench.chaos: {failure}")
        return 2
    print(report.as_text(shown))
    _say(f"written to {report.write(shown, options.results)}; logs and the clients' record are in {options.folder}")
    if shown["findings"]:
        same_cards = f' ARGS="--faults {options.faults}"' if options.faults else ""
        _say(f"FINDINGS. To repeat this run: make chaos SEED={options.seed} MINUTES={options.minutes:g}{same_cards}")
        return 1
    return 0


def _run(
    chaos: Arena, *, seed: int, seconds: float, cards: Sequence[tuple[Kind, str]], short: bool
) -> dict[str, object]:
    own = chaos.own
    clearing_data, market_data = (
        Database(url.get_secret_value(), pool_size=2, application_name="", try_first=True)
        for url in (own.settings.clearing_data_url, own.settings.market_data_url)
    )
    admin_key = admin_key_of(own.instance.directory)
    keys = _open_accounts(own.url, admin_key)
    with clearing_data.transaction() as tx:
        one_of_each_shard = {security.shard: security.security_id for security in securities.listed(tx)}
    record = Record()
    started_s = time.monotonic()
    pulse = Pulse(own.url, keys[PULSE], list(one_of_each_shard.values()), clearing_data, market_data)
    traders = [Trader(own.url, name, keys[name], seed=seed, record=record, started_s=started_s) for name in NAMES]
    sellers = [
        ShortSeller(own.url, name, keys[name], seed=seed, record=record, started_s=started_s)
        for name in short_sellers.NAMES
    ]
    squeezer = Squeezer(own.url, keys[short_sellers.SQUEEZER], seed=seed)
    # Without the securities of the pulse: a halted security accepts no orders.
    regulator = Regulator(own.url, admin_key, sorted(set(SECURITIES) - set(one_of_each_shard.values())), seed=seed)
    resenders = [Resender(own.url, name, keys[name], seed=seed, record=record, started_s=started_s) for name in COPIES]
    flood = Flood(own.url, seed=seed)
    readers = [
        Reader(own.url, path, key, seed=seed, stalls=stalls)
        for path, key in (("/stream/price", None), ("/stream/report", keys[NAMES[0]]))
        for stalls in (False, True)
    ]
    threads: list[Trader | Regulator | Flood | Reader | Pulse | Squeezer] = [
        *traders, *sellers, *resenders, regulator, flood, squeezer, *readers, pulse,
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    schedule = islice(faults(seed, cards), len(cards)) if short else faults(seed, cards)
    runner = FaultRunner(chaos, pulse, schedule, started_s=started_s)
    try:
        runner.run(seconds)
        faults_ended_s = time.monotonic()
    finally:
        for thread in threads:
            thread.ended.set()
        for thread in threads:
            thread.join()
        record.write(own.instance.directory / "record.jsonl")
    _say("the faults are over; comparing the clients' answers with the exchange ...")
    lost_s = [moment_s - started_s for moment_s in chaos.data_lost_s]
    judge = Judge(chaos, record, keys, Client(own.url, admin_key), clearing_data, market_data, data_lost_s=lost_s)
    verdict = judge.judge()
    if not short and not verdict.buy_ins:
        verdict.find("short sellers", ["no client was bought in"])
    verdict.find("not overcome", [str(one.fault) for one in runner.outcomes if one.recovery_s is None])
    clients = [*traders, *sellers, *resenders]
    verdict.find("a client gave up", [f"{one.name}: {one.failure!r}" for one in clients if one.failure is not None])
    verdict.find("a wrong answer to a stranger", flood.wrong_answers())
    return report.figures(
        seed=seed,
        seconds=faults_ended_s - started_s,
        commit=machine.commit(),
        outcomes=runner.outcomes,
        record=record,
        verdict=verdict,
        strangers=flood.answers,
        read_slowly=sum(reader.messages for reader in readers),
        log_bytes=sum(log.stat().st_size for log in own.instance.logs.iterdir()),
        stored_bytes=growth.sizes(own.instance, own.settings),
    )


def _open_accounts(url: str, admin_key: str) -> dict[str, str]:
    """Open the clients' accounts with enough for most of their orders; return their keys."""
    admin = Client(url, admin_key)
    keys = {name: admin.open_account(name).api_key for name in (*NAMES, *COPIES, PULSE)}
    for name in (*NAMES, *COPIES):
        admin.deposit_cash(name, CASH, transfer_id=f"cash:{name}")
        for security_id in SECURITIES:
            admin.deposit_shares(name, security_id, SHARES, transfer_id=f"shares:{name}:{security_id}")
    return keys | short_sellers.open_accounts(admin)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
