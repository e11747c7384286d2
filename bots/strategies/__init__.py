"""The strategies that come with the exchange, by name: its original six, and six more sophisticated ones."""

from __future__ import annotations

from bots.strategies.avellaneda_stoikov import AvellanedaStoikov
from bots.strategies.flood import Flood
from bots.strategies.gauss import Gauss
from bots.strategies.informed import Informed
from bots.strategies.market_maker import MarketMaker
from bots.strategies.mean_reversion import MeanReversion
from bots.strategies.momentum import Momentum
from bots.strategies.pairs import Pairs
from bots.strategies.random_walk import RandomWalk
from bots.strategies.retail import Retail
from bots.strategies.uniform import Uniform
from bots.strategies.zero_intelligence import ZeroIntelligence
from bots.strategy import Strategy

STRATEGIES: dict[str, type[Strategy]] = {
    strategy.name: strategy
    for strategy in (
        *(RandomWalk, Gauss, Uniform, Flood, Retail, MarketMaker),
        *(ZeroIntelligence, Momentum, MeanReversion, AvellanedaStoikov, Informed, Pairs),
    )
}

__all__ = [
    "STRATEGIES",
    "AvellanedaStoikov",
    "Flood",
    "Gauss",
    "Informed",
    "MarketMaker",
    "MeanReversion",
    "Momentum",
    "Pairs",
    "RandomWalk",
    "Retail",
    "Uniform",
    "ZeroIntelligence",
]
