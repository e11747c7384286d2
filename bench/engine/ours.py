"""Our engine on the feed, with a full book, in an auction, replaying a log, and its memory.

`python -m bench.engine.ours PART SEED SECONDS` prints one part as JSON, in a process of its own.
"""

from __future__ import annotations

import gc
import json
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from msgspec.structs import replace

from bench.engine import feed, passes
from tasks.matching.rules.engine import Engine
from tasks.messages import CancelOrder, Command, Event, PlaceOrder, SetBand, SetPhase, decode_command, encode_command

NOW_US = 1_700_000_000_000_000
FEW, MANY = 1_000, 1_000_000
STEADY_OPERATIONS = 200_000
CLIENTS = 500  # that buy, and as many that sell
# Operations on one engine before the other one's turn, so a disturbance of the machine affects both.
TURN = 1_000
REPLAYED = 200_000
COLLECTED = 10_000  # orders of an auction
BAND_PPM, LIFT_CENTS = 200_000, 10_000
_PAGE_BYTES = 4096


def commands(operations: list[feed.Operation]) -> list[Command]:
    """Return the feed as commands of our engine."""
    return [
        CancelOrder(number, _client(one), feed.BOOKS[one.book], one.order_id, NOW_US + number)
        if one.cancels
        else _order(one.order_id, _client(one), one.book, one.is_buy, one.quantity, one.price)
        for number, one in enumerate(operations, 1)
    ]


def _client(one: feed.Operation) -> str:
    """Return the client of an operation. No client both buys and sells, as peers know no clients: any two may trade."""
    return f"{'BUYER' if one.is_buy else 'SELLER'}{one.order_id % CLIENTS}"


def _order(order_id: int, client_id: str, book: int, is_buy: bool, quantity: int, price: int) -> PlaceOrder:
    side = "buy" if is_buy else "sell"
    return PlaceOrder(
        order_id, client_id, feed.BOOKS[book], "limit", side, quantity, price, "gtc", False, NOW_US + order_id  # type: ignore[arg-type]
    )  # fmt: skip


def one_pass(log: list[Command]) -> tuple[float, int]:
    """Return the CPU seconds of the feed on a new engine that keeps all events, and the shares left in the books."""
    engine = Engine(0)
    events: list[Event] = []
    began_s = time.process_time()
    for seq, command in enumerate(log, 1):
        events.extend(engine.apply(seq, command))
    return time.process_time() - began_s, _open_shares(engine)


def _open_shares(engine: Engine) -> int:
    return sum(order.quantity for book in engine.state().books for order in [*book.bids, *book.asks])


def flatness(seed: int) -> dict[str, Any]:
    """Return the CPU of an operation with few and with many resting orders, whose number stays constant [ns]."""
    engines = {}
    for resting in (FEW, MANY):
        log = _steady(seed, resting)
        engine = Engine(0)
        for seq, command in enumerate(islice(log, resting), 1):
            engine.apply(seq, decode_command(encode_command(command)))
        steady = [decode_command(encode_command(command)) for command in islice(log, STEADY_OPERATIONS)]
        engines[resting] = (engine, steady)
    spent_ns: dict[int, list[float]] = {FEW: [], MANY: []}
    for turn in range(0, STEADY_OPERATIONS, TURN):
        for resting, (engine, log_of_it) in engines.items():
            part = log_of_it[turn : turn + TURN]
            began_s = time.process_time()
            for seq, command in enumerate(part, engine.seq + 1):
                engine.apply(seq, command)
            spent_ns[resting].append((time.process_time() - began_s) / TURN * 1e9)
    return {"few_ns": median(spent_ns[FEW]), "many_ns": median(spent_ns[MANY])}


def _steady(seed: int, resting: int) -> Iterator[Command]:
    """Yield resting orders, and then repeatedly five that rest, three that each trade with one, and two cancels.

    Half of the resting orders are far from the best price: cancels name these, and the takers trade with the others.
    """
    chance = random.Random(seed)
    far: list[PlaceOrder] = []
    order_id = 0

    def rests(is_far: bool) -> PlaceOrder:
        is_buy = chance.random() < 0.5
        price = chance.randint(100, 319) if is_far else chance.randint(320, 539)
        client_id = f"C{chance.randrange(CLIENTS)}"
        order = _order(order_id, client_id, chance.randrange(5), is_buy, 10, price if is_buy else 1_099 - price)
        if is_far:
            far.append(order)
        return order

    for _ in range(resting):
        order_id += 1
        yield rests(is_far=order_id % 2 == 0)
    while True:
        for kind in chance.sample("nnnfftttcc", 10):
            order_id += 1
            if kind == "c":
                at = chance.randrange(len(far))
                far[at], far[-1] = far[-1], far[at]
                order = far.pop()
                yield CancelOrder(order_id, order.client_id, order.security_id, order.order_id, NOW_US + order_id)
            elif kind == "t":
                is_buy = chance.random() < 0.5
                price = 779 if is_buy else 320
                yield _order(order_id, "TAKER", chance.randrange(5), is_buy, 10, price)
            else:
                yield rests(is_far=kind == "f")


def memory(seed: int) -> dict[str, Any]:
    """Return the memory of a resting order that was decoded from the log [bytes]."""
    chance = random.Random(seed)
    engine = Engine(0)
    gc.collect()
    before = _resident_bytes()
    for seq in range(1, MANY + 1):
        is_buy = chance.random() < 0.5
        price = chance.randint(100, 539)
        client_id = f"C{chance.randrange(CLIENTS)}"
        order = _order(seq, client_id, chance.randrange(5), is_buy, 10, price if is_buy else 1_099 - price)
        engine.apply(seq, decode_command(encode_command(order)))
    gc.collect()
    return {"bytes_an_order": (_resident_bytes() - before) / MANY}


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES


def replay(seed: int) -> dict[str, Any]:
    """Return the entries of the log that the engine replays per second, from their text to their events."""
    log = [encode_command(command) for command in commands(feed.mixed(seed, REPLAYED))]
    engine = Engine(0)
    began_s = time.process_time()
    for seq, line in enumerate(log, 1):
        engine.apply(seq, decode_command(line))
    return {"entries_a_second": REPLAYED / (time.process_time() - began_s)}


def auction(seed: int) -> dict[str, Any]:
    """Return the CPU of an order in an auction, with and without reading the indicative price, and of its uncross."""
    chance = random.Random(seed)
    spent_us: dict[str, list[float]] = {"order_us": [], "indicated_us": [], "uncross_us": []}
    placed = []
    for number in range(1, COLLECTED + 1):
        is_buy = chance.random() < 0.5
        price = round(chance.gauss(10_100 if is_buy else 9_900, 400))
        placed.append(_order(number, f"C{number}", 0, is_buy, chance.randint(1, 100), price))
    for looks in (False, True) * 5:
        engine = Engine(0)
        engine.apply(1, SetPhase(1, feed.BOOKS[0], "auction", "schedule", None, NOW_US))
        began_s = time.process_time()
        for seq, order in enumerate(placed, 2):
            engine.apply(seq, order)
            if looks:
                engine.indicative(feed.BOOKS[0])
        collected_s = time.process_time()
        engine.apply(engine.seq + 1, SetPhase(2, feed.BOOKS[0], "continuous", "schedule", None, NOW_US))
        spent_us["indicated_us" if looks else "order_us"].append((collected_s - began_s) / COLLECTED * 1e6)
        spent_us["uncross_us"].append((time.process_time() - collected_s) * 1e6)
    return {what: median(times) for what, times in spent_us.items()}


def banded(seed: int) -> dict[str, Any]:
    """Return the CPU of an operation without and with price bands, on engines that take turns [ns].

    All prices are lifted by the same amount and so lie within the bands; nothing interrupts trading.
    """
    log = [
        replace(command, price_cents=command.price_cents + LIFT_CENTS) if isinstance(command, PlaceOrder) else command
        for command in commands(feed.mixed(seed))
    ]
    engines = {}
    for name in ("free_ns", "banded_ns"):
        engines[name] = Engine(0)
        for number, security_id in enumerate(feed.BOOKS, 1):
            band = SetBand(number, security_id, BAND_PPM if name == "banded_ns" else None, NOW_US)
            engines[name].apply(number, band)
    spent_ns: dict[str, list[float]] = {name: [] for name in engines}
    for turn in range(0, len(log), TURN):
        part = log[turn : turn + TURN]
        for name, engine in sorted(engines.items(), reverse=turn // TURN % 2 == 0):
            began_s = time.process_time()
            for seq, command in enumerate(part, engine.seq + 1):
                engine.apply(seq, command)
            spent_ns[name].append((time.process_time() - began_s) / len(part) * 1e9)
    if len({_open_shares(engine) for engine in engines.values()}) != 1:
        raise SystemExit("a band has interrupted trading")
    return {name: median(times) for name, times in spent_ns.items()}


def main(part: str, seed: str, seconds: str) -> None:
    """Print a part."""
    figures: dict[str, Any]
    if part == "feed":
        log = commands(feed.mixed(int(seed)))
        figures = asdict(passes.run(lambda: one_pass(log), seconds=float(seconds)))
    else:
        parts = {"flatness": flatness, "memory": memory, "replay": replay, "auction": auction, "banded": banded}
        figures = parts[part](int(seed))
    print(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
