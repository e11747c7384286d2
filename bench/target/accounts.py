"""The clients of the benchmark, with enough cash and shares for every order.

Ten make the flow. The benchmark times the trade reports of an eleventh, the taker, which never leaves an order in a
book.

The api shows a key only once, when an account is opened, so a file next to the exchange's own keys keeps them for the
next run.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

from bench.load.flow import CLIENTS, SECURITIES
from bench.load.usual import REMEDY
from bots.client import Client
from bots.errors import Problem

CASH = Decimal(100_000_000)
# 100,000 shares of each security are issued, and the exchange's own traders have 7,000 of one.
SHARES = 9_000

NAMES = [f"BENCH_{number}" for number in range(CLIENTS)]
TAKER = "BENCH_TAKER"
TAKER_SHARES = 1_000
KEYS_FILE = "bench_keys.json"

LEVEL_TIMEOUT_S = 60.0


class NoAccounts(Exception):
    """The accounts of the benchmark's clients cannot be opened, or not be given again what they began with."""


def admin_key_of(run_directory: Path) -> str:
    """Return the key of an exchange's administrator. Raises FileNotFoundError."""
    return str(json.loads((run_directory / "keys.json").read_text())["admin"])


def open_accounts(url: str, *, admin_key: str, run_directory: Path) -> dict[str, str]:
    """Return the keys of the benchmark's clients, and open their accounts unless they exist.

    raises  NoAccounts  they exist, and their keys are lost
    """
    file = run_directory / KEYS_FILE
    keys: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    if not keys or not _is_known(url, keys[TAKER]):
        admin = Client(url, admin_key)
        try:
            keys = {name: _opened(admin, name, SHARES) for name in NAMES} | {TAKER: _opened(admin, TAKER, TAKER_SHARES)}
        except Problem as problem:
            raise NoAccounts(f"the benchmark cannot open its accounts: {problem}; {REMEDY}") from problem
        file.touch(mode=0o600)
        file.write_text(json.dumps(keys))
    return keys


def level(url: str, *, admin_key: str, keys: Mapping[str, str]) -> None:
    """Cancel the open orders of the clients of the flow, and give each the same cash and shares again.

    A run that ends in the middle of the flow's cycle leaves some clients without shares, and the next one would hardly
    trade.
    raises  TimeoutError  an order stays open
            NoAccounts    others have shares that the clients began with
    """
    admin = Client(url, admin_key)
    for name in NAMES:
        Client(url, keys[name]).cancel_all()
    deadline_s = time.monotonic() + LEVEL_TIMEOUT_S
    for name in NAMES:
        while admin.balance(name).held or any(admin.holding(each, name).held for each in SECURITIES):
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"orders of {name} are still open after {LEVEL_TIMEOUT_S:.0f} s")
            time.sleep(0.05)
    # Withdrawals first, as there is nothing to deposit but what others have given back.
    missing = [(SHARES - admin.holding(each, name).shares, name, each) for name in NAMES for each in SECURITIES]
    try:
        for shares, name, security_id in sorted(missing):
            if shares:
                move = admin.deposit_shares if shares > 0 else admin.withdraw_shares
                move(name, security_id, abs(shares), transfer_id=f"bench-{uuid4().hex}")
        for name in NAMES:
            if cash := CASH - admin.balance(name).balance:
                pay = admin.deposit_cash if cash > 0 else admin.withdraw_cash
                pay(name, abs(cash), transfer_id=f"bench-{uuid4().hex}")
    except Problem as problem:
        raise NoAccounts(f"the benchmark cannot level its accounts: {problem}; {REMEDY}") from problem


def _is_known(url: str, key: str) -> bool:
    try:
        Client(url, key).balance(TAKER)
    except Problem:
        return False
    return True


def _opened(admin: Client, name: str, shares: int) -> str:
    opened = admin.open_account(name)
    admin.deposit_cash(name, CASH, transfer_id=f"bench-{uuid4().hex}")
    for security_id in SECURITIES:
        missing = shares - admin.holding(security_id, name).shares  # an account starts with some of one security
        if missing > 0:
            admin.deposit_shares(name, security_id, missing, transfer_id=f"bench-{uuid4().hex}")
    return opened.api_key
