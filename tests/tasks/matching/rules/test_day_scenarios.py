"""The trading day as a trader reads it, for the engine and the naive book alike; see tests.support.scenario."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tasks.matching.rules.engine import Engine
from tests.support.naive_book import NaiveBook
from tests.support.scenario import play
from tests.tasks.matching.rules.auction_scenarios import AUCTIONS
from tests.tasks.matching.rules.test_scenarios import SCENARIOS as CONTINUOUS

RULES = Path(__file__).parents[4] / "tasks" / "matching" / "rules"

PHASES = {
    "a closed security takes cancels only": """
        sell A 4 @ 100             -> rests 4
        sell A 5 @ 101             -> rests 5
        phase closed               -> closed schedule
        buy B 4 @ 100              -> closed 4
        buy B 4 @ 100 auction      -> closed 4
        buy B 4 @ 90 stop 110      -> closed 4
        replace A 1 to 3           -> closed
        cancel A 1                 -> cancelled 4
        cancel_all A 2             -> cancelled 5
        """,
    "a halted security takes cancels only": """
        sell A 4 @ 100             -> rests 4
        phase halted               -> halted schedule
        buy B 4 @ 100              -> halted 4
        replace A 1 to 3           -> halted
        cancel A 1                 -> cancelled 4
        """,
    "cancel and replace in an auction": """
        sell A 4 @ 100             -> rests 4
        phase auction              -> auction schedule
        buy B 9 @ 100              -> rests 9
        buy B 9 @ 90 stop 110      -> waits 9
        indicative                 -> 4 @ 100, surplus 5 buy
        replace A 1 to 6           -> replaced, rests 6
        indicative                 -> 6 @ 100, surplus 3 buy
        replace A 1 @ 99           -> replaced, rests 6
        indicative                 -> 6 @ 100, surplus 3 buy
        replace B 3 to 5           -> replaced, rests 5
        indicative                 -> 5 @ 99, surplus 1 sell
        replace B 4 to 3           -> replaced, waits 3
        cancel B 4                 -> cancelled 3
        cancel B 3                 -> cancelled 5
        indicative                 -> nothing
        cancel_all A 1             -> cancelled 6
        """,
    "replace and cancel in every phase": """
        sell A 4 @ 100             -> rests 4
        sell B 4 @ 100             -> rests 4
        sell C 4 @ 100             -> rests 4
        sell D 4 @ 100             -> rests 4
        replace A 1 to 3           -> replaced, rests 3
        cancel B 2                 -> cancelled 4
        phase halted               -> halted schedule
        replace A 1 to 2           -> halted
        cancel C 3                 -> cancelled 4
        phase auction              -> auction schedule
        replace A 1 @ 101          -> replaced, rests 3
        cancel D 4                 -> cancelled 4
        phase closed               -> closed schedule
        replace A 1 to 1           -> closed
        settle 95                  -> A settled 3, closed admin, settled at 95
        replace A 1 to 1           -> unknown_order
        cancel A 1                 -> refused
        """,
    "a halt of old logs is silent": """
        halt                       ->
        buy B 4 @ 100              -> halted 4
        resume                     ->
        buy B 4 @ 100              -> rests 4
        """,
    "day orders over two days": """
        buy A 5 @ 100 day          -> rests 5
        buy B 5 @ 100              -> rests 5
        sell C 2 @ 100             -> A 2 @ 100
        buy D 5 @ 120 stop_limit 110 day -> waits 5
        buy E 5 @ 99 gtd           -> rests 5
        phase closed               -> A expired 3, D expired 5, closed schedule
        phase auction              -> auction schedule
        buy A 5 @ 98 day           -> rests 5
        phase continuous           -> continuous schedule
        bids                       -> 5 @ 100, 5 @ 99, 5 @ 98
        phase closed               -> A expired 5, closed schedule
        phase closed               ->
        """,
    "an order filled in the same microsecond does not expire": """
        buy A 5 @ 100 gtd          -> rests 5
        buy B 5 @ 99 gtd           -> rests 5
        sell C 7 @ 99              -> A 5 @ 100, B 2 @ 99
        expire 1 2 9               -> B expired 3
        expire 1 2                 ->
        """,
    "orders expire in every phase, waiting or not": """
        buy A 5 @ 100 auction      -> waits 5
        buy B 5 @ 120 stop 110 gtd -> waits 5
        buy C 5 @ 100 gtd shows 1  -> rests 5
        phase halted               -> halted schedule
        expire 1                   -> A expired 5
        phase auction              -> auction schedule
        expire 2 3                 -> B expired 5, C expired 5
        """,
    "an order for an auction is a plain one": """
        buy A 5 @ 100 auction post_only -> invalid_terms 5
        buy A 5 @ 100 auction shows 2 -> invalid_terms 5
        buy A 5 @ 100 stop_limit 101 auction -> invalid_terms 5
        """,
    "a settled security stays closed": """
        sell A 4 @ 100             -> rests 4
        buy B 4 @ 90 stop 110      -> waits 4
        buy C 4 @ 90 auction       -> waits 4
        settle 95                  -> A settled 4, B settled 4, C settled 4, closed admin, settled at 95
        phase continuous           ->
        resume                     ->
        buy B 4 @ 100              -> closed 4
        settle 95                  ->
        cancel A 1                 -> refused
        """,
    "a settlement ends an auction without its uncross": """
        phase auction              -> auction schedule
        sell A 4 @ 100             -> rests 4
        buy B 4 @ 100              -> rests 4
        settle 0                   -> A settled 4, B settled 4, closed admin, settled at 0
        """,
    "a delisted security stays closed": """
        sell A 4 @ 100             -> rests 4
        delist                     -> A closed 4, closed admin
        list 100                   ->
        phase auction              ->
        buy B 4 @ 100              -> closed 4
        """,
}

VOLATILITY = {
    "an order trades within the band, and its rest rests": """
        list 100 band 10           ->
        sell A 3 @ 110             -> rests 3
        sell A 3 @ 111             -> rests 3
        buy B 5 @ 120              -> A 3 @ 110, auction volatility, rests 2
        indicative                 -> 2 @ 111, surplus 1 sell
        phase continuous           -> B buys 2 from A @ 111, continuous schedule
        """,
    "downwards as well": """
        list 100 band 10           ->
        buy A 3 @ 90               -> rests 3
        buy A 3 @ 89               -> rests 3
        sell B 5 @ 80              -> A 3 @ 90, auction volatility, rests 2
        asks                       -> 2 @ 80
        """,
    "the band is around the last trade before the order": """
        list 100 band 10           ->
        sell A 1 @ 109             -> rests 1
        sell A 1 @ 115             -> rests 1
        sell A 1 @ 119             -> rests 1
        sell A 1 @ 120             -> rests 1
        buy B 1 @ 109              -> A 1 @ 109
        buy B 2 @ 119              -> A 1 @ 115, A 1 @ 119
        buy B 1 @ 120              -> A 1 @ 120
        """,
    "an order does not trade below the band either, however good the price": """
        list 100 band 10           ->
        sell A 3 @ 80              -> rests 3
        buy B 5 @ 100              -> auction volatility, rests 5
        """,
    "an order that reaches no price beyond the band is not affected": """
        list 100 band 10           ->
        sell A 3 @ 110             -> rests 3
        buy B 5 @ 130              -> A 3 @ 110, rests 2
        """,
    "an ioc order causes it, and its rest is cancelled": """
        list 100 band 10           ->
        sell A 3 @ 105             -> rests 3
        sell A 3 @ 111             -> rests 3
        buy B 5 @ 120 ioc          -> A 3 @ 105, auction volatility, unfilled 2
        """,
    "an ioc order to sell": """
        list 100 band 10           ->
        buy A 3 @ 95               -> rests 3
        buy A 3 @ 89               -> rests 3
        sell B 5 @ 80 ioc          -> A 3 @ 95, auction volatility, unfilled 2
        """,
    "a market order causes it": """
        list 100 band 5            ->
        sell A 3 @ 105             -> rests 3
        sell A 3 @ 106             -> rests 3
        buy B 5 @ 110 market       -> A 3 @ 105, auction volatility, unfilled 2
        """,
    "a market order to sell": """
        list 100 band 5            ->
        buy A 3 @ 95               -> rests 3
        buy A 3 @ 94               -> rests 3
        sell B 5 @ 90 market       -> A 3 @ 95, auction volatility, unfilled 2
        """,
    "a fok order counts quantity within the band, and causes it if it could trade beyond": """
        list 100 band 10           ->
        sell A 3 @ 105             -> rests 3
        sell A 3 @ 111             -> rests 3
        buy B 7 @ 120 fok          -> unfilled 7
        buy B 3 @ 120 fok          -> A 3 @ 105
        band 5                     ->
        buy B 3 @ 120 fok          -> auction volatility, unfilled 3
        """,
    "a fok order to sell": """
        list 100 band 10           ->
        buy A 3 @ 95               -> rests 3
        buy A 3 @ 89               -> rests 3
        sell B 7 @ 80 fok          -> unfilled 7
        sell B 5 @ 80 fok          -> auction volatility, unfilled 5
        bids                       -> 3 @ 95, 3 @ 89
        """,
    "a stop cascade causes it, and the stops behind keep waiting": """
        list 100 band 10           ->
        buy A 1 @ 95               -> rests 1
        buy A 1 @ 92               -> rests 1
        buy A 5 @ 82               -> rests 5
        sell S 1 @ 70 stop 95      -> waits 1
        sell T 2 @ 70 stop 95      -> waits 2
        sell U 2 @ 70 stop 95      -> waits 2
        sell V 2 @ 70 stop 82      -> waits 2
        sell B 1 @ 95              -> A 1 @ 95; then S 5: A 1 @ 92; then T 6: auction volatility, unfilled 2
        buy C 2 @ 95               -> rests 2
        sell D 2 @ 95              -> rests 2
        phase continuous           -> C buys 2 from D @ 95, continuous schedule; \
            then U 7: auction volatility, unfilled 2
        """,
    "a stop cascade upwards": """
        list 100 band 10           ->
        sell A 1 @ 105             -> rests 1
        sell A 5 @ 120             -> rests 5
        buy S 2 @ 130 stop_limit 105 -> waits 2
        buy T 2 @ 130 stop 105     -> waits 2
        buy B 1 @ 105              -> A 1 @ 105; then S 4: auction volatility, rests 2
        indicative                 -> 2 @ 120, surplus 3 sell
        phase continuous           -> S buys 2 from A @ 120, continuous schedule; then T 5: A 2 @ 120
        """,
    "an order that began the auction triggers no stop before it ends": """
        list 100 band 10           ->
        sell A 3 @ 105             -> rests 3
        sell A 3 @ 120             -> rests 3
        buy S 1 @ 130 stop 105     -> waits 1
        buy B 4 @ 130              -> A 3 @ 105, auction volatility, rests 1
        cancel B 5                 -> cancelled 1
        phase continuous           -> continuous schedule; then S 4: auction volatility, unfilled 1
        """,
    "the client's own order beyond the band stops an order as always": """
        list 100 band 10           ->
        sell A 3 @ 105             -> rests 3
        sell B 3 @ 120             -> rests 3
        buy B 5 @ 130              -> A 3 @ 105, self_trade 2
        """,
    "the rest may not meet the client's own in the auction": """
        list 100 band 10           ->
        sell A 3 @ 120             -> rests 3
        sell B 3 @ 121             -> rests 3
        buy B 5 @ 130              -> auction volatility, self_trade 5
        """,
    "orders that wait for an auction take part in it": """
        list 100 band 10           ->
        sell A 3 @ 120             -> rests 3
        buy C 1 @ 120 auction      -> waits 1
        buy B 1 @ 130              -> auction volatility, rests 1
        phase continuous           -> B buys 1 from A @ 120, C buys 1 from A @ 120, continuous schedule
        """,
    "the band stops a replaced order": """
        list 100 band 10           ->
        sell A 3 @ 111             -> rests 3
        buy B 2 @ 90               -> rests 2
        replace B 3 @ 120          -> replaced, auction volatility, rests 2
        """,
    "without a band everything trades": """
        list 100 band 10           ->
        band none                  ->
        sell A 3 @ 200             -> rests 3
        buy B 3 @ 200              -> A 3 @ 200
        """,
    "without a reference price for the band everything trades": """
        band 10                    ->
        sell A 3 @ 200             -> rests 3
        buy B 1 @ 200              -> A 1 @ 200
        sell C 3 @ 199             -> rests 3
        """,
}

SCENARIOS = {**AUCTIONS, **PHASES, **VOLATILITY}


# Reasons of the engine; tests.tasks.matching.rules.test_engine has those of orders that order entry never admits.
REASONS = frozenset(
    {
        "cancelled",
        "closed",
        "expired",
        "halted",
        "invalid_terms",
        "not_in_auction",
        "self_trade",
        "settled",
        "unfilled",
        "unknown_order",
        "would_cross",
    }
)


def test_the_tables_have_every_reason() -> None:
    tables = "\n".join((*SCENARIOS.values(), *CONTINUOUS.values()))
    said = set(re.findall(r"\w+", "\n".join(line.partition("->")[2] for line in tables.splitlines())))
    assert REASONS - said == set()
    found = set(re.findall(r'"([a-z_]+)"', "".join(file.read_text() for file in RULES.glob("*.py"))))
    assert found >= REASONS


@pytest.mark.parametrize("book", [Engine, NaiveBook])
@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_scenario(scenario: str, book: type[Engine | NaiveBook]) -> None:
    play(scenario, book(0))
