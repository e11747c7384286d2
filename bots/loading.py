"""Finds a strategy by its name, as `my_bot.py:MyBot`, or as `package.module:MyBot`."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from bots.strategies import STRATEGIES
from bots.strategy import Strategy


class NoStrategy(Exception):
    """There is no such strategy; the message says why in one line, or lists those that exist."""


def strategy_of(target: str) -> type[Strategy]:
    """Return the strategy for a name, `file.py:Class` or `module:Class`; `file.py` suffices if it has one strategy.

    raises  NoStrategy  it cannot be found, or its file cannot be imported
    """
    if target in STRATEGIES:
        return STRATEGIES[target]
    place, _, name = target.partition(":")
    if not name and not place.endswith(".py"):
        raise NoStrategy(
            f"there is no strategy {target}; choose one of {', '.join(STRATEGIES)}, or give your own as FILE.py:CLASS"
        )
    module = _module_of(place)
    kind = getattr(module, name) if hasattr(module, name) else None if name else _only_one(module)
    if not (isinstance(kind, type) and issubclass(kind, Strategy) and kind is not Strategy):
        found = ", ".join(one.__name__ for one in _strategies_in(module))
        if not found:
            raise NoStrategy(f"{place} has no strategy: write one with `python -m bots new NAME`")
        missing = f"has no strategy named {name}" if name else "has more than one strategy"
        raise NoStrategy(f"{place} {missing}; choose one as {place}:CLASS: {found}")
    # Options also work without the decorator.
    return kind if "__dataclass_fields__" in vars(kind) else dataclasses.dataclass(kind)


def options_of(kind: type[Strategy]) -> list[dataclasses.Field[Any]]:
    """Return the options of a strategy in the order of their definition, and then those that it inherits."""
    options = [one for one in dataclasses.fields(kind) if "meaning" in one.metadata]
    return sorted(options, key=lambda one: one.name not in kind.__annotations__)


def _module_of(place: str) -> ModuleType:
    if not place.endswith(".py"):
        try:
            return importlib.import_module(place)
        except ModuleNotFoundError as fault:
            if fault.name is not None and not place.startswith(fault.name):
                raise  # the module exists, but imports another that is missing
            raise NoStrategy(f"there is no module {place}") from None
    path = Path(place).resolve()
    if not path.is_file():
        raise NoStrategy(f"there is no file {place}")
    # A unique module name, because dataclasses and pickle look modules up, and two files may share a file name.
    module_name = f"bot_{path.stem}_{abs(hash(path)):x}"
    if module_name in sys.modules:
        return sys.modules[module_name]
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise NoStrategy(f"{place} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as fault:
        del sys.modules[module_name]
        if isinstance(fault, Exception):
            raise NoStrategy(_why_not(place, path, fault)) from fault
        raise
    return module


def _why_not(place: str, path: Path, fault: Exception) -> str:
    """Say in one line why a file cannot be imported, and where."""
    said = str(fault).partition("\n")[0]
    line: int | None = None
    if isinstance(fault, SyntaxError):
        said, line = fault.msg, fault.lineno
    else:
        for frame in traceback.extract_tb(fault.__traceback__):
            line = frame.lineno if frame.filename == str(path) else line
    where = place if line is None else f"{place}, line {line}"
    return f"{where}: {type(fault).__name__}: {said}"


def _strategies_in(module: ModuleType) -> list[type[Strategy]]:
    return [
        one
        for one in vars(module).values()
        if isinstance(one, type) and issubclass(one, Strategy) and one.__module__ == module.__name__
    ]


def _only_one(module: ModuleType) -> type[Strategy] | None:
    found = _strategies_in(module)
    return found[0] if len(found) == 1 else None
