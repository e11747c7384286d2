"""Continuous trading as a trader reads it, for the engine and the naive book alike; see tests.support.scenario."""

from __future__ import annotations

import pytest

from tasks.matching.rules.engine import Engine
from tests.support.naive_book import NaiveBook
from tests.support.scenario import play

SCENARIOS = {
    "price, then time": """
        sell A 10 @ 101            -> rests 10
        sell B 5 @ 100             -> rests 5
        sell C 5 @ 100             -> rests 5
        buy D 12 @ 101             -> B 5 @ 100, C 5 @ 100, A 2 @ 101
        buy D 9 @ 101              -> A 8 @ 101, rests 1
        """,
    "a trade prints at the resting order's price": """
        buy A 5 @ 105              -> rests 5
        sell B 5 @ 99              -> A 5 @ 105
        """,
    "the rest of an order keeps its place": """
        sell A 10 @ 100            -> rests 10
        sell B 10 @ 100            -> rests 10
        buy C 4 @ 100              -> A 4 @ 100
        buy C 7 @ 100              -> A 6 @ 100, B 1 @ 100
        """,
    "an order that meets no other order rests": """
        sell A 1 @ 101             -> rests 1
        buy B 1 @ 100              -> rests 1
        """,
    "the rest of an ioc order is cancelled": """
        sell A 3 @ 100             -> rests 3
        buy B 5 @ 100 ioc          -> A 3 @ 100, unfilled 2
        buy B 5 @ 100 ioc          -> unfilled 5
        """,
    "a market order trades up to its collar": """
        sell A 3 @ 100             -> rests 3
        sell A 3 @ 110             -> rests 3
        sell A 3 @ 111             -> rests 3
        buy B 8 @ 110 market       -> A 3 @ 100, A 3 @ 110, unfilled 2
        sell B 1 @ 90 market       -> unfilled 1
        """,
    "a fok order trades all at once": """
        sell A 3 @ 100             -> rests 3
        sell C 3 @ 101             -> rests 3
        buy B 7 @ 101 fok          -> unfilled 7
        buy B 4 @ 100 fok          -> unfilled 4
        buy B 5 @ 101 fok          -> A 3 @ 100, C 2 @ 101
        """,
    "a fok order that would meet its client's own cannot trade all at once": """
        sell A 3 @ 100             -> rests 3
        sell B 3 @ 100             -> rests 3
        buy B 5 @ 100 fok          -> unfilled 5
        buy B 3 @ 100 fok          -> A 3 @ 100
        """,
    "a post-only order rests or is rejected": """
        sell A 3 @ 100             -> rests 3
        buy B 3 @ 100 post_only    -> would_cross 3
        buy A 3 @ 100 post_only    -> would_cross 3
        buy B 3 @ 99 post_only     -> rests 3
        """,
    "no client trades with itself": """
        sell A 3 @ 100             -> rests 3
        sell B 3 @ 100             -> rests 3
        buy B 9 @ 101              -> A 3 @ 100, self_trade 6
        buy B 1 @ 101              -> self_trade 1
        buy C 3 @ 100              -> B 3 @ 100
        """,
    "a cancel removes the open quantity": """
        sell A 10 @ 100            -> rests 10
        buy B 4 @ 100              -> A 4 @ 100
        cancel A 1                 -> cancelled 6
        buy B 4 @ 100              -> rests 4
        """,
    "a cancel from the middle of a queue": """
        sell A 1 @ 100             -> rests 1
        sell B 1 @ 100             -> rests 1
        sell C 1 @ 100             -> rests 1
        cancel B 2                 -> cancelled 1
        buy D 3 @ 100              -> A 1 @ 100, C 1 @ 100, rests 1
        """,
    "a cancel of another's order, of a closed one and a second one are refused": """
        sell A 10 @ 100            -> rests 10
        cancel B 1                 -> refused
        cancel A 1                 -> cancelled 10
        cancel A 1                 -> refused
        buy B 1 @ 100 ioc          -> unfilled 1
        cancel B 5                 -> refused
        sell A 1 @ 100             -> rests 1
        buy B 1 @ 100              -> A 1 @ 100
        cancel A 7                 -> refused
        cancel B 8                 -> refused
        """,
    "a cancel ahead of its order waits for it": """
        cancel A 3                 ->
        sell B 5 @ 100             -> rests 5
        buy A 5 @ 100              -> cancelled 5
        cancel A 3                 -> refused
        """,
    "waiting cancels of other clients and duplicates are refused": """
        cancel B 4                 ->
        cancel A 4                 ->
        cancel A 4                 ->
        buy A 5 @ 100              -> refused, refused, cancelled 5
        cancel B 6                 ->
        buy A 5 @ 100              -> refused, rests 5
        """,
    "a smaller quantity keeps the place": """
        sell A 10 @ 100            -> rests 10
        sell B 5 @ 100             -> rests 5
        replace A 1 to 4           -> replaced, rests 4
        buy C 6 @ 100              -> A 4 @ 100, B 2 @ 100
        """,
    "a larger quantity loses the place": """
        sell A 4 @ 100             -> rests 4
        sell B 5 @ 100             -> rests 5
        replace A 1 to 6           -> replaced, rests 6
        buy C 6 @ 100              -> B 5 @ 100, A 1 @ 100
        """,
    "the same quantity loses the place": """
        sell A 4 @ 100             -> rests 4
        sell B 5 @ 100             -> rests 5
        replace A 1 to 4           -> replaced, rests 4
        buy C 6 @ 100              -> B 5 @ 100, A 1 @ 100
        """,
    "another price loses the place": """
        sell A 4 @ 100             -> rests 4
        sell B 5 @ 101             -> rests 5
        replace A 1 @ 101          -> replaced, rests 4
        asks                       -> 9 @ 101
        buy C 6 @ 101              -> B 5 @ 101, A 1 @ 101
        """,
    "a replaced order may trade at once": """
        sell A 4 @ 100             -> rests 4
        sell B 5 @ 101             -> rests 5
        buy C 2 @ 99               -> rests 2
        replace C 3 to 7 @ 101     -> replaced, A 4 @ 100, B 3 @ 101
        buy D 2 @ 99               -> rests 2
        replace D 5 to 7 @ 101     -> replaced, B 2 @ 101, rests 5
        """,
    "the new quantity is the total and includes fills": """
        sell A 10 @ 100            -> rests 10
        buy B 4 @ 100              -> A 4 @ 100
        replace A 1 to 9           -> replaced, rests 5
        replace A 1 to 12 @ 101    -> replaced, rests 8
        """,
    "a total at or below what is filled cancels the rest": """
        sell A 10 @ 100            -> rests 10
        buy B 4 @ 100              -> A 4 @ 100
        replace A 1 to 4 @ 90      -> replaced, cancelled 6
        replace A 1 to 9           -> unknown_order
        sell A 10 @ 100            -> rests 10
        buy B 4 @ 100              -> A 4 @ 100
        replace A 5 to 3           -> replaced, cancelled 6
        asks                       ->
        """,
    "a replaced order does not trade with its client's own": """
        sell A 4 @ 100             -> rests 4
        sell C 4 @ 101             -> rests 4
        buy C 6 @ 99               -> rests 6
        replace C 3 @ 101          -> replaced, A 4 @ 100, self_trade 2
        """,
    "a post-only order that would trade once it is replaced is cancelled": """
        sell A 4 @ 100             -> rests 4
        buy B 4 @ 98 post_only     -> rests 4
        replace B 2 @ 99           -> replaced, rests 4
        replace B 2 @ 100          -> replaced, would_cross 4
        """,
    "only a client's own open orders can be replaced": """
        sell A 4 @ 100             -> rests 4
        replace B 1 to 3           -> unknown_order
        replace A 9 to 3           -> unknown_order
        cancel A 1                 -> cancelled 4
        replace A 1 to 3           -> unknown_order
        """,
    "a mass cancel removes only open orders of its client": """
        sell A 4 @ 100             -> rests 4
        sell A 5 @ 101             -> rests 5
        sell B 6 @ 102             -> rests 6
        buy A 7 @ 90 stop 110      -> waits 7
        buy B 4 @ 100              -> A 4 @ 100
        cancel_all A 1 2 3 4 9     -> cancelled 5, cancelled 7
        cancel_all A 1 2 3 4 9     ->
        asks                       -> 6 @ 102
        """,
    "a halted security takes cancels only": """
        sell A 4 @ 100             -> rests 4
        sell A 5 @ 101             -> rests 5
        halt                       ->
        buy B 4 @ 100              -> halted 4
        buy B 4 @ 90 stop 110      -> halted 4
        replace A 1 to 3           -> halted
        cancel A 1                 -> cancelled 4
        cancel A 1                 -> refused
        cancel_all A 2             -> cancelled 5
        halt                       ->
        resume                     ->
        buy B 4 @ 100              -> rests 4
        """,
    "a cancel waits for its order during a halt": """
        cancel A 3                 ->
        halt                       ->
        buy A 5 @ 100              -> cancelled 5
        """,
    "a stop buy waits until a trade is at its stop price or above": """
        sell A 9 @ 101             -> rests 9
        sell A 9 @ 103             -> rests 9
        buy B 5 @ 110 stop 103     -> waits 5
        buy C 9 @ 101              -> A 9 @ 101
        buy C 1 @ 103              -> A 1 @ 103; then B 3: A 5 @ 103
        """,
    "a stop sell waits until a trade is at its stop price or below": """
        buy A 9 @ 101              -> rests 9
        buy A 9 @ 98               -> rests 9
        sell B 5 @ 90 stop 99      -> waits 5
        sell C 9 @ 101             -> A 9 @ 101
        sell C 1 @ 90              -> A 1 @ 98; then B 3: A 5 @ 98
        """,
    "the rest of a stop order is cancelled, the rest of a stop-limit order rests": """
        sell A 4 @ 100             -> rests 4
        buy B 5 @ 105 stop 100     -> waits 5
        buy C 5 @ 105 stop_limit 100 -> waits 5
        buy D 1 @ 100              -> A 1 @ 100; then B 2: A 3 @ 100, unfilled 2; then C 3: rests 5
        bids                       -> 5 @ 105
        """,
    "a stop price that the last trade has passed triggers at once": """
        buy B 5 @ 110 stop 100     -> waits 5
        sell A 4 @ 102             -> rests 4
        buy C 1 @ 102              -> A 1 @ 102; then B 1: A 3 @ 102, unfilled 2
        sell A 4 @ 103             -> rests 4
        buy B 3 @ 110 stop 102     -> then B 5: A 3 @ 103
        sell B 3 @ 90 stop 103     -> then B 6: unfilled 3
        sell B 3 @ 90 stop 102     -> waits 3
        """,
    "stop orders trigger in the order of their arrival, not of their prices": """
        sell A 9 @ 100             -> rests 9
        buy B 1 @ 105 stop 100     -> waits 1
        buy C 1 @ 105 stop 99      -> waits 1
        buy D 1 @ 105 stop 98      -> waits 1
        buy E 1 @ 100              -> A 1 @ 100; then B 2: A 1 @ 100; then C 3: A 1 @ 100; then D 4: A 1 @ 100
        """,
    "one stop order reaches the next": """
        sell A 1 @ 100             -> rests 1
        sell A 1 @ 101             -> rests 1
        sell A 1 @ 102             -> rests 1
        buy D 1 @ 105 stop 102     -> waits 1
        buy C 1 @ 105 stop 101     -> waits 1
        buy B 1 @ 105 stop 100     -> waits 1
        buy E 1 @ 100              -> A 1 @ 100; then B 6: A 1 @ 101; then C 5: A 1 @ 102; then D 4: unfilled 1
        """,
    "an incoming order finishes before the stop orders that it reaches": """
        sell A 1 @ 100             -> rests 1
        sell B 5 @ 90 stop 100     -> waits 5
        buy C 4 @ 100              -> A 1 @ 100, rests 3; then B 2: C 3 @ 100, unfilled 2
        """,
    "a sweep triggers stop orders of both sides": """
        sell A 1 @ 100             -> rests 1
        sell A 1 @ 105             -> rests 1
        sell B 1 @ 90 stop 100     -> waits 1
        buy C 1 @ 110 stop 105     -> waits 1
        buy D 2 @ 105              -> A 1 @ 100, A 1 @ 105; then B 3: unfilled 1; then C 4: unfilled 1
        """,
    "a waiting stop order can be cancelled, but not traded with": """
        sell B 5 @ 90 stop 95      -> waits 5
        buy A 5 @ 100              -> rests 5
        asks                       ->
        cancel A 1                 -> refused
        cancel B 1                 -> cancelled 5
        cancel B 1                 -> refused
        """,
    "a waiting stop order is replaced where it waits": """
        sell B 5 @ 90 stop 95      -> waits 5
        sell C 5 @ 90 stop 95      -> waits 5
        replace B 1 to 3           -> replaced, waits 3
        buy A 1 @ 95               -> rests 1
        sell D 1 @ 95              -> A 1 @ 95; then B 1: unfilled 3; then C 2: unfilled 5
        """,
    "a waiting stop order that is larger or costs more waits behind the others": """
        sell B 5 @ 90 stop 95      -> waits 5
        sell C 5 @ 90 stop 95      -> waits 5
        sell D 5 @ 90 stop 95      -> waits 5
        replace B 1 to 6           -> replaced, waits 6
        replace C 2 @ 91           -> replaced, waits 5
        buy A 1 @ 95               -> rests 1
        sell E 1 @ 95              -> A 1 @ 95; then D 3: unfilled 5; then B 1: unfilled 6; then C 2: unfilled 5
        """,
    "a triggered stop order keeps its terms": """
        sell A 3 @ 100             -> rests 3
        buy B 5 @ 105 stop 100 fok -> waits 5
        buy C 5 @ 105 stop_limit 100 post_only -> waits 5
        buy A 5 @ 105 stop_limit 100 -> waits 5
        buy D 1 @ 100              -> A 1 @ 100; then B 2: unfilled 5; then C 3: would_cross 5; then A 4: self_trade 5
        """,
    "an iceberg shows a part of itself": """
        sell A 10 @ 100 shows 3    -> rests 10
        sell B 4 @ 100             -> rests 4
        asks                       -> 7 @ 100
        """,
    "each part of an iceberg goes to the end of its level": """
        sell A 10 @ 100 shows 3    -> rests 10
        sell B 4 @ 100             -> rests 4
        buy C 4 @ 100              -> A 3 @ 100, B 1 @ 100
        asks                       -> 6 @ 100
        buy C 5 @ 100              -> B 3 @ 100, A 2 @ 100
        asks                       -> 1 @ 100
        buy C 9 @ 100              -> A 1 @ 100, A 3 @ 100, A 1 @ 100, rests 4
        """,
    "a displayed part that has traded partly is not refilled": """
        sell A 10 @ 100 shows 3    -> rests 10
        buy C 2 @ 100              -> A 2 @ 100
        asks                       -> 1 @ 100
        buy C 1 @ 100              -> A 1 @ 100
        asks                       -> 3 @ 100
        """,
    "an order goes through all of an iceberg before it reaches the next price": """
        sell A 5 @ 100 shows 2     -> rests 5
        sell B 1 @ 101             -> rests 1
        buy C 6 @ 101              -> A 2 @ 100, A 2 @ 100, A 1 @ 100, B 1 @ 101
        """,
    "an incoming iceberg trades with its whole quantity": """
        sell A 5 @ 100             -> rests 5
        buy B 9 @ 100 shows 1      -> A 5 @ 100, rests 4
        bids                       -> 1 @ 100
        """,
    "a fok order counts hidden quantity": """
        sell A 10 @ 100 shows 1    -> rests 10
        buy B 11 @ 100 fok         -> unfilled 11
        sell C 1 @ 100             -> rests 1
        buy C 2 @ 100 fok          -> unfilled 2
        buy C 1 @ 100 fok          -> A 1 @ 100
        buy B 5 @ 100 fok          -> C 1 @ 100, A 1 @ 100, A 1 @ 100, A 1 @ 100, A 1 @ 100
        """,
    "a fok order does not meet its client's own behind hidden quantity": """
        sell A 10 @ 100 shows 5    -> rests 10
        sell B 5 @ 101             -> rests 5
        buy B 11 @ 101 fok         -> unfilled 11
        buy B 10 @ 101 fok         -> A 5 @ 100, A 5 @ 100
        """,
    "an iceberg is cancelled with its whole quantity": """
        sell A 10 @ 100 shows 3    -> rests 10
        buy B 4 @ 100              -> A 3 @ 100, A 1 @ 100
        cancel A 1                 -> cancelled 6
        asks                       ->
        """,
    "a smaller iceberg hides less, and keeps its place": """
        sell A 10 @ 100 shows 3    -> rests 10
        sell B 2 @ 100             -> rests 2
        replace A 1 to 5           -> replaced, rests 5
        asks                       -> 5 @ 100
        replace A 1 to 2           -> replaced, rests 2
        asks                       -> 4 @ 100
        buy C 3 @ 100              -> A 2 @ 100, B 1 @ 100
        """,
    "a larger iceberg shows the same quantity as before, behind the others": """
        sell A 4 @ 100 shows 3     -> rests 4
        sell B 2 @ 100             -> rests 2
        replace A 1 to 9           -> replaced, rests 9
        asks                       -> 5 @ 100
        buy C 3 @ 100              -> B 2 @ 100, A 1 @ 100
        """,
    "a stop-limit order may be an iceberg": """
        sell A 1 @ 100             -> rests 1
        buy B 9 @ 99 stop_limit 100 shows 2 -> waits 9
        buy C 1 @ 100              -> A 1 @ 100; then B 2: rests 9
        bids                       -> 2 @ 99
        """,
}


@pytest.mark.parametrize("book", [Engine, NaiveBook])
@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_scenario(scenario: str, book: type[Engine | NaiveBook]) -> None:
    play(scenario, book(0))
