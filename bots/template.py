"""`python -m bots new NAME`: writes a bot of fifteen lines that runs as it stands."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

TEMPLATE = '''\
"""{name}: a bot for the exchange."""

from dataclasses import dataclass

from bots.contract import Price
from bots.strategy import Strategy, option


@dataclass
class {name}(Strategy):
    """Buys below what it thinks a share is worth, and sells above."""

    worth: float = option(100.0, "what a share is worth [dollars]")
    quantity: int = option(5, "size of an order [shares]")

    def on_price(self, price: Price) -> None:
        if price.ask is not None and price.ask < self.worth and self.cash > price.ask * self.quantity:
            self.buy(self.quantity, price.ask, time_in_force="ioc")
        elif price.bid is not None and price.bid > self.worth and self.available() >= self.quantity:
            self.sell(self.quantity, price.bid, time_in_force="ioc")
'''


def class_name_of(name: str) -> str:
    """Turn `my_bot` into a class name, MyBot."""
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[_\W]+", name))


def main(arguments: Sequence[str]) -> int:
    """Write a bot to start from; on failure print one sentence and return status 1."""
    parser = argparse.ArgumentParser(prog="python -m bots new", description="Write a bot that runs as it stands.")
    parser.add_argument("name", metavar="NAME", help="such as my_bot, for my_bot.py with the class MyBot")
    name = parser.parse_args(arguments).name.removesuffix(".py")
    file = Path(f"{name}.py")
    kind = class_name_of(file.stem)
    if not kind.isidentifier():
        print(f"python -m bots new: {name} does not make a class name; begin it with a letter", file=sys.stderr)
        return 1
    try:
        with file.open("x") as new:
            new.write(TEMPLATE.format(name=kind))
    except OSError as fault:
        print(f"python -m bots new: {file} cannot be written: {fault.strerror}", file=sys.stderr)
        return 1
    # The command as the user called it, because many systems have no program named python.
    program, here = Path(sys.executable), Path.cwd()
    python = program.relative_to(here) if program.is_relative_to(here) else program
    print(f"Wrote {file}. Try it in memory, an hour in seconds:\n  {python} -m bots simulate {file}:{kind}")
    print(f"and on the running exchange:\n  {python} -m bots run {file}:{kind} --client-id SINGLE")
    return 0
