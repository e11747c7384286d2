"""House bots of a case: they use the strategies that come with the exchange, and the options of these."""

from __future__ import annotations

from collections.abc import Iterator

from bots.loading import options_of
from bots.strategies import STRATEGIES
from tasks.referee.rules.case import Fault, House

# Strategies that trade two securities.
_PAIRS = "pairs"


def faults_of_house(house: House, pointer: str, *, securities: int) -> Iterator[Fault]:
    """Yield the faults of the house bots; `pointer` leads to them, and the case has this number of securities."""
    kind = STRATEGIES.get(house.strategy)
    if kind is None:
        yield Fault(f"{pointer}/strategy", f"must be one of {', '.join(sorted(STRATEGIES))}")
        return
    if house.strategy == _PAIRS and securities < 2:
        yield Fault(f"{pointer}/strategy", "trades two securities, and the case has one")
    options = {option.name: option for option in options_of(kind)}
    faulty = False
    for name, value in house.options.items():
        if name not in options:
            faulty = True
            yield Fault(f"{pointer}/options/{name}", f"must be one of {', '.join(options) or 'no options'}")
        elif not _fits(value, options[name].default):
            faulty = True
            yield Fault(f"{pointer}/options/{name}", f"must be like {options[name].default!r}")
    if not faulty:
        try:
            kind(**house.options)
        except ValueError as fault:
            yield Fault(f"{pointer}/options", str(fault))


def _fits(value: object, default: object) -> bool:
    if isinstance(default, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is type(default)
