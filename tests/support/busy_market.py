"""A lively market: bots with different strategies, each with its own account, on a running exchange."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import requests

CASH = 400_000.0
SHARES = 4_000


@dataclass(frozen=True, slots=True)
class Trader:
    """A bot: its account, its strategy, its securities and the strategy's own options."""

    client_id: str
    strategy: str
    security_id: str
    options: tuple[str, ...] = ()


# Few orders a second per bot, so that two cores can also run a browser.
TRADERS = (
    Trader("GAUSS_NEAR", "gauss", "AAPL", ("--every-s=0.8", "--deviation=0.35", "--quantity=8")),
    Trader("GAUSS_WIDE", "gauss", "AAPL", ("--every-s=1", "--deviation=0.9", "--quantity=15")),
    Trader("ZERO_1", "zero_intelligence", "AAPL", ("--every-s=0.6", "--spread=0.004", "--depth=0.004", "--most=20")),
    Trader("ZERO_2", "zero_intelligence", "AAPL", ("--every-s=1", "--spread=0.006", "--depth=0.006", "--most=30")),
    Trader("STOIKOV_1", "avellaneda_stoikov", "AAPL", ("--quantity=12", "--thinning=15", "--horizon-s=20")),
    Trader("STOIKOV_2", "avellaneda_stoikov", "AAPL", ("--quantity=20", "--thinning=10", "--every-s=2")),
    Trader("INFORMED", "informed", "AAPL", ("--every-s=2", "--volatility=0.06", "--aggression=30", "--quantity=30")),
    Trader("MOMENTUM", "momentum", "AAPL", ("--fast-s=10", "--slow-s=60", "--most=60")),
    Trader("REVERSION", "mean_reversion", "AAPL", ("--half-life-s=60", "--enter=1.5", "--most=60")),
    Trader("ZERO_3", "zero_intelligence", "TSLA", ("--every-s=1.5", "--spread=0.01", "--depth=0.01")),
    Trader("STOIKOV_3", "avellaneda_stoikov", "TSLA", ("--every-s=3",)),
    Trader("ZERO_4", "zero_intelligence", "JPM", ("--every-s=2.5", "--spread=0.01", "--depth=0.01")),
    Trader("STOIKOV_4", "avellaneda_stoikov", "JPM", ("--every-s=4",)),
)


@contextmanager
def busy_market(url: str, *, admin_key: str) -> Iterator[dict[str, str]]:
    """Let bots trade inside the block, and yield their keys. An account that exists gets another key."""
    keys = {trader.client_id: _enter(url, admin_key, trader) for trader in TRADERS}
    with ExitStack() as ends:
        for trader in TRADERS:
            ends.callback(_end, _start(url, keys[trader.client_id], trader))
        yield keys


def _enter(url: str, admin_key: str, trader: Trader) -> str:
    """Open the account of a trader, fund it, and return its key."""
    own = f"{url}/accounts/{trader.client_id}"
    with requests.Session() as admin:
        admin.headers["Authorization"] = f"Bearer {admin_key}"
        opened = admin.post(f"{url}/accounts", json={"client_id": trader.client_id}, timeout=20)
        if opened.status_code == requests.codes.conflict:
            opened = admin.post(f"{own}/keys", json={}, timeout=20)
        opened.raise_for_status()
        key: str = opened.json()["api_key"]
        cash = {"transfer_id": f"busy:{trader.client_id}:{CASH:.0f}", "amount": CASH}
        shares = {
            "transfer_id": f"busy:{trader.client_id}:{trader.security_id}:{SHARES}",
            "security_id": trader.security_id,
            "quantity": SHARES,
        }
        for transfer in (cash, shares):
            admin.post(f"{own}/deposits", json=transfer, timeout=20).raise_for_status()
    return key


def _start(url: str, key: str, trader: Trader) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "bots", "run", trader.strategy, "--client-id", trader.client_id]
    return subprocess.Popen(
        [*command, "--security", trader.security_id, "--url", url, *trader.options],
        env={"EXCHANGE_API_KEY": key},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _end(bot: subprocess.Popen[bytes]) -> None:
    """Let a bot cancel its open orders and end."""
    bot.terminate()
    bot.wait(30)
