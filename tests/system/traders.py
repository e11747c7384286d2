"""Ten traders with a seeded stream of orders: the same requests in every run."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from threading import Event, Lock

from bots.client import Client
from bots.contract import Accepted, CancelOrder, LimitOrder, MarketOrder
from bots.errors import Unavailable

TRADERS = tuple(f"TRADER_{number}" for number in range(10))
SECURITIES = ("MSFT", "AAPL", "TSLA", "JPM", "SHEL")
LARGEST_ARRAY = 60
REFERENCE_CENTS = 10_000


@dataclass
class Ledger:
    """The promises of the exchange: the orders that it answered 202, and the number of answers by status."""

    accepted: dict[int, str] = field(default_factory=dict)  # order id -> client
    answers: Counter[str] = field(default_factory=Counter)
    lock: Lock = field(default_factory=Lock)

    def record(self, client_id: str, answers: list[object]) -> None:
        """Record the answers to orders of a client."""
        with self.lock:
            for answer in answers:
                if isinstance(answer, Accepted):
                    assert self.accepted.setdefault(answer.order_id, client_id) == client_id
                    self.answers["accepted"] += 1
                else:
                    self.answers[getattr(answer, "code", "?")] += 1


def open_accounts(url: str, admin_key: str) -> dict[str, str]:
    """Open the traders' accounts with slightly more than usual, and return their keys."""
    admin = Client(url, admin_key)
    keys = {}
    for client_id in TRADERS:
        keys[client_id] = admin.open_account(client_id).api_key
        admin.deposit_cash(client_id, Decimal(20_000), transfer_id=f"cash:{client_id}")
        for security_id in SECURITIES:
            admin.deposit_shares(client_id, security_id, 200, transfer_id=f"shares:{client_id}:{security_id}")
    return keys


def requests_of(client_id: str, seed: int) -> Iterator[LimitOrder | MarketOrder]:
    """Yield an endless stream of orders, some of which the trader cannot pay for."""
    rng = random.Random(f"{seed}:{client_id}")
    number = 0
    while True:
        number += 1
        common = {
            "security_id": rng.choice(SECURITIES),
            "side": rng.choice(("buy", "sell")),
            "client_order_id": f"{seed}-{number}",
        }
        if rng.random() < 0.05:
            yield MarketOrder(quantity=rng.randint(1, 5), **common)
            continue
        yield LimitOrder(
            quantity=rng.randint(1, 400 if rng.random() < 0.02 else 10),
            price=Decimal(REFERENCE_CENTS + rng.randint(-30, 30)) / 100,
            time_in_force=rng.choices(("gtc", "ioc", "fok"), (8, 1, 1))[0],
            **common,
        )


def trade(
    url: str, keys: dict[str, str], ledger: Ledger, *, seed: int, orders: int | None = None, until: Event | None = None
) -> None:
    """Let all traders trade at once, each over its own connection.

    orders  how many of each trader's, or
    until   trade until this is set
    """
    with ThreadPoolExecutor(len(keys)) as pool:
        for future in [
            pool.submit(_trade, Client(url, key, patience_s=60), client_id, ledger, seed, orders, until)
            for client_id, key in keys.items()
        ]:
            future.result()


def _trade(client: Client, client_id: str, ledger: Ledger, seed: int, orders: int | None, until: Event | None) -> None:
    rng = random.Random(f"{seed}:arrays:{client_id}")
    stream = requests_of(client_id, seed)
    sent = 0
    while (orders is None or sent < orders) and not (until and until.is_set()):
        size = min(rng.randint(1, LARGEST_ARRAY), orders - sent if orders else LARGEST_ARRAY)
        batch = [next(stream) for _ in range(size)]
        sent += size
        try:
            answers = [client.place(batch[0])] if size == 1 else client.place_all(batch)
        except Unavailable:
            ledger.record(client_id, [None] * size)
            continue
        ledger.record(client_id, answers)
        cancels = [
            CancelOrder(security_id=order.security_id, order_id=answer.order_id)
            for order, answer in zip(batch, answers, strict=True)
            if isinstance(answer, Accepted) and rng.random() < 0.15
        ]
        if cancels:
            client.place_all(cancels)
