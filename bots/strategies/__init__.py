"""The six traders of the exchange, by the names under which they are started."""

from __future__ import annotations

from bots.strategies.flood import Flood
from bots.strategies.gauss import Gauss
from bots.strategies.market_maker import MarketMaker
from bots.strategies.random_walk import RandomWalk
from bots.strategies.retail import Retail
from bots.strategies.uniform import Uniform
from bots.strategy import Strategy

STRATEGIES: dict[str, type[Strategy]] = {
    strategy.name: strategy for strategy in (RandomWalk, Gauss, Uniform, Flood, Retail, MarketMaker)
}

__all__ = ["STRATEGIES", "Flood", "Gauss", "MarketMaker", "RandomWalk", "Retail", "Uniform"]
