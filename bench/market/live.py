"""Measures the market of an exchange that runs: its prices for some minutes, its trades and its bots."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from bench.market.figures import Bot, Figures, Quote, Trade, figures
from bots.client import Client
from bots.contract import Standing
from bots.live.access import CannotTrade
from bots.live.crew import Market

# Reasons for which an order may end that are no refusals.
ENDS = frozenset({"cancelled", "unfilled", "expired", "replaced"})
_NO_BOTS = frozenset({"admin", "SINGLE"})


def measure(url: str, keys_file: Path, *, minutes: float) -> Figures:
    """Watch the market for some minutes, and return its figures."""
    keys: dict[str, str] = json.loads(keys_file.read_text())
    client = Client(url)
    references = {one.security_id: float(one.reference_price or 0) for one in client.securities()}
    began_s = time.time()
    quotes = list(_watch(client, list(references), minutes * 60))
    ended_s = time.time()
    trades = [trade for name in references for trade in _trades(client, name, began_s)]
    firsts = {name: _first(client, name) for name in references}
    standings = {one.client_id: one for one in client.leaderboard()}
    bots = [
        _bot(Client(url, key), standings[account], began_s)
        for account, key in keys.items()
        if account not in _NO_BOTS and account in standings and standings[account].trades
    ]
    return figures(
        duration_s=ended_s - began_s,
        references=references,
        quotes=quotes,
        trades=trades,
        bots=bots,
        value_of=_values(keys_file, began_s),
        firsts=firsts,
    )


def _watch(client: Client, names: Iterable[str], seconds: float) -> Iterator[Quote]:
    began_s = time.monotonic()
    while (now_s := time.monotonic() - began_s) < seconds:
        for name in names:
            book = client.book(name, depth=1)
            bid, ask = (side[0] if side else None for side in (book.bids, book.asks))
            yield Quote(
                now_s,
                name,
                None if bid is None else int(bid.price * 100),
                0 if bid is None else bid.quantity,
                None if ask is None else int(ask.price * 100),
                0 if ask is None else ask.quantity,
            )
        time.sleep(1.0)


def _trades(client: Client, name: str, since_s: float) -> list[Trade]:
    """Return the trades since a time, oldest first, with times since then."""
    found = []
    for trade in client.past_trades(name):
        at_s = datetime.fromisoformat(trade.timestamp or "").timestamp() - since_s
        if at_s < 0:
            break
        found.append(Trade(at_s, name, int(trade.price * 100), trade.quantity))
    return found[::-1]


def _first(client: Client, name: str) -> float | None:
    """Return the price of a security's first trade [dollars]."""
    trades = list(client.past_trades(name))
    return float(trades[-1].price) if trades else None


def _bot(client: Client, standing: Standing, since_s: float) -> Bot:
    """Return a bot's figures: all of its orders, and its requests since a time, without cancels and replacements."""
    orders = list(client.orders())
    reasons = Counter(order.reason for order in orders if order.status == "rejected" and order.reason not in ENDS)
    versus = float(standing.versus_holding or 0)
    equity_cents = int(standing.equity * 100)
    return Bot(
        account=standing.client_id,
        held_cents=round(equity_cents / (1 + versus)),
        equity_cents=equity_cents,
        orders=len(orders),
        requests=sum(datetime.fromisoformat(order.created_at or "").timestamp() >= since_s for order in orders),
        refused=reasons.total(),
        trades=standing.trades,
        reasons={str(reason): number for reason, number in reasons.items()},
    )


def _values(keys_file: Path, began_s: float) -> Callable[[str, float], float] | None:
    """Return the hidden values since a time; None if this user may not read them."""
    try:
        market = Market.read(keys_file)
    except CannotTrade:
        return None
    of: Mapping[str, Callable[[float], float]] = {
        name: market.values.of(name, since_s=began_s - market.began_s).value for name, _ in market.values.references
    }
    return lambda name, at_s: of[name](at_s)
