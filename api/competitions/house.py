"""House bots of a case: they use the strategies that come with the exchange, and the options of these."""

from __future__ import annotations

from collections.abc import Iterator

from api.wire.competition_bodies import LARGEST_OPTION
from bots.loading import options_of
from bots.strategies import STRATEGIES
from tasks.referee.rules.case import Fault, House

# Longest text of an option.
LONGEST_OPTION = 200
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
            yield Fault(f"{pointer}/options", f"must be one of {', '.join(options) or 'no options'}", name=name)
        elif not _fits(value, options[name].default):
            faulty = True
            yield Fault(f"{pointer}/options/{name}", f"must be like {options[name].default!r}")
    if not faulty:
        try:
            kind(**house.options)
        except ValueError as fault:
            yield Fault(f"{pointer}/options", str(fault))


def _fits(value: object, default: object) -> bool:
    """Return whether an option has the type of its default, and a value that strategies and the database take."""
    if isinstance(value, int | float) and abs(value) > LARGEST_OPTION:
        return False
    if isinstance(value, str) and not (len(value) <= LONGEST_OPTION and value.isprintable()):
        return False
    if isinstance(default, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is type(default)
