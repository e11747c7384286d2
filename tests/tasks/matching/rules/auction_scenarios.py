"""Scenarios of auctions: which orders they collect, at which price they end, and which orders remain."""

from __future__ import annotations

AUCTIONS = {
    "the price with the largest volume": """
        list 100                   ->
        phase auction              -> auction schedule
        buy A 10 @ 103             -> rests 10
        sell B 4 @ 99              -> rests 4
        sell C 5 @ 102             -> rests 5
        indicative                 -> 9 @ 103, surplus 1 buy
        phase continuous           -> A buys 4 from B @ 103, A buys 5 from C @ 103, continuous schedule
        bids                       -> 1 @ 103
        """,
    "of equal volumes the smallest surplus": """
        list 100                   ->
        phase auction              -> auction schedule
        buy A 10 @ 105             -> rests 10
        buy B 20 @ 104             -> rests 20
        sell C 10 @ 98             -> rests 10
        indicative                 -> 10 @ 105
        phase continuous           -> A buys 10 from C @ 105, continuous schedule
        bids                       -> 20 @ 104
        """,
    "if all have a surplus of buyers, the highest": """
        list 90                    ->
        phase auction              -> auction schedule
        buy A 20 @ 105             -> rests 20
        sell B 10 @ 95             -> rests 10
        indicative                 -> 10 @ 105, surplus 10 buy
        """,
    "if all have a surplus of sellers, the lowest": """
        list 200                   ->
        phase auction              -> auction schedule
        buy A 10 @ 105             -> rests 10
        sell B 20 @ 95             -> rests 20
        indicative                 -> 10 @ 95, surplus 10 sell
        """,
    "without a surplus, the nearest to the reference price": """
        list 103                   ->
        phase auction              -> auction schedule
        buy A 10 @ 105             -> rests 10
        sell B 10 @ 95             -> rests 10
        indicative                 -> 10 @ 105
        """,
    "and from the other side": """
        list 99                    ->
        phase auction              -> auction schedule
        buy A 10 @ 105             -> rests 10
        sell B 10 @ 95             -> rests 10
        indicative                 -> 10 @ 95
        """,
    "of two equally near prices the higher": """
        list 100                   ->
        phase auction              -> auction schedule
        buy A 10 @ 105             -> rests 10
        sell B 10 @ 95             -> rests 10
        indicative                 -> 10 @ 105
        """,
    "with a surplus of buyers at some and of sellers at others, the nearest as well": """
        list 96                    ->
        phase auction              -> auction schedule
        buy A 10 @ 105             -> rests 10
        buy B 10 @ 100             -> rests 10
        sell C 10 @ 95             -> rests 10
        sell D 10 @ 103            -> rests 10
        indicative                 -> 10 @ 95, surplus 10 buy
        list 102                   ->
        indicative                 -> 10 @ 103, surplus 10 sell
        replace B 4 to 9           -> replaced, rests 9
        indicative                 -> 10 @ 100, surplus 9 buy
        """,
    "without a reference price it is the last price": """
        sell A 1 @ 96              -> rests 1
        buy B 1 @ 96               -> A 1 @ 96
        phase auction              -> auction schedule
        buy A 10 @ 105             -> rests 10
        sell B 10 @ 95             -> rests 10
        indicative                 -> 10 @ 95
        """,
    "price, then time": """
        phase auction              -> auction schedule
        buy A 5 @ 100              -> rests 5
        buy B 5 @ 101              -> rests 5
        buy C 5 @ 100              -> rests 5
        sell D 6 @ 99              -> rests 6
        sell E 6 @ 98              -> rests 6
        indicative                 -> 12 @ 100, surplus 3 buy
        phase continuous           -> B buys 5 from E @ 100, A buys 1 from E @ 100, A buys 4 from D @ 100, \
            C buys 2 from D @ 100, continuous schedule
        bids                       -> 3 @ 100
        """,
    "orders that rested before the auction take part in their place": """
        buy A 5 @ 100              -> rests 5
        phase auction              -> auction schedule
        buy B 5 @ 100              -> rests 5
        sell C 7 @ 100             -> rests 7
        phase continuous           -> A buys 5 from C @ 100, B buys 2 from C @ 100, continuous schedule
        sell C 1 @ 100             -> B 1 @ 100
        """,
    "without a price nothing trades": """
        phase auction              -> auction schedule
        buy A 5 @ 99               -> rests 5
        sell B 5 @ 100             -> rests 5
        buy C 5 @ 99 auction       -> rests 5
        indicative                 -> nothing
        phase continuous           -> C unfilled 5, continuous schedule
        bids                       -> 5 @ 99
        asks                       -> 5 @ 100
        """,
    "with orders on one side only nothing trades": """
        phase auction              -> auction schedule
        buy A 5 @ 99               -> rests 5
        indicative                 -> nothing
        phase continuous           -> continuous schedule
        """,
    "outside of auctions nothing is indicated": """
        buy A 5 @ 99               -> rests 5
        sell B 5 @ 100             -> rests 5
        indicative                 -> nothing
        phase auction              -> auction schedule
        buy B 5 @ 99               -> rests 5
        sell A 5 @ 99              -> self_trade 5
        sell C 5 @ 99              -> rests 5
        indicative                 -> 5 @ 99, surplus 5 buy
        phase halted               -> halted schedule
        indicative                 -> nothing
        """,
    "a market order takes part at its collar, and its rest is cancelled": """
        phase auction              -> auction schedule
        sell A 4 @ 100             -> rests 4
        buy B 6 @ 110 market       -> rests 6
        buy C 1 @ 105              -> rests 1
        indicative                 -> 4 @ 110, surplus 2 buy
        phase continuous           -> B buys 4 from A @ 110, B unfilled 2, continuous schedule
        bids                       -> 1 @ 105
        """,
    "so is the rest of an order for the auction only": """
        phase auction              -> auction schedule
        sell A 4 @ 100             -> rests 4
        buy B 6 @ 101 auction      -> rests 6
        phase continuous           -> B buys 4 from A @ 101, B unfilled 2, continuous schedule
        bids                       ->
        """,
    "an order for the auction only waits for the next one, and then stands behind those in the book": """
        buy A 5 @ 101 auction      -> waits 5
        sell B 2 @ 100             -> rests 2
        buy C 5 @ 99               -> rests 5
        bids                       -> 5 @ 99
        sell D 1 @ 101 auction     -> waits 1
        phase auction              -> auction schedule
        bids                       -> 5 @ 101, 5 @ 99
        indicative                 -> 3 @ 101, surplus 2 buy
        phase continuous           -> A buys 2 from B @ 101, A buys 1 from D @ 101, A unfilled 2, continuous schedule
        """,
    "an order that waits for an auction is replaced where it waits": """
        buy A 5 @ 101 auction      -> waits 5
        buy B 5 @ 101 auction      -> waits 5
        replace A 1 to 3           -> replaced, waits 3
        phase auction              -> auction schedule
        sell C 4 @ 101             -> rests 4
        phase continuous           -> A buys 3 from C @ 101, B buys 1 from C @ 101, B unfilled 4, continuous schedule
        """,
    "an iceberg takes part with its whole quantity, and shows a part again": """
        phase auction              -> auction schedule
        sell A 10 @ 100 shows 3    -> rests 10
        sell B 5 @ 100             -> rests 5
        asks                       -> 8 @ 100
        buy C 8 @ 100              -> rests 8
        indicative                 -> 8 @ 100, surplus 7 sell
        phase continuous           -> C buys 8 from A @ 100, continuous schedule
        asks                       -> 7 @ 100
        buy C 4 @ 100              -> A 2 @ 100, B 2 @ 100
        """,
    "an iceberg that does not trade keeps its displayed part": """
        sell A 10 @ 101 shows 3    -> rests 10
        buy C 1 @ 101              -> A 1 @ 101
        phase auction              -> auction schedule
        phase continuous           -> continuous schedule
        asks                       -> 2 @ 101
        """,
    "stops wait, and the new last price triggers them": """
        list 100                   ->
        phase auction              -> auction schedule
        buy S 2 @ 120 stop 104     -> waits 2
        buy T 2 @ 120 stop 106     -> waits 2
        sell U 2 @ 80 stop_limit 105 -> waits 2
        buy A 5 @ 105              -> rests 5
        sell B 5 @ 105             -> rests 5
        sell B 9 @ 110             -> rests 9
        phase continuous           -> A buys 5 from B @ 105, continuous schedule; \
            then S 3: B 2 @ 110; then U 5: rests 2; then T 4: U 2 @ 80
        """,
    "a stop reached before the auction triggers after it, even without a price": """
        sell A 5 @ 100             -> rests 5
        buy B 1 @ 100              -> A 1 @ 100
        phase auction              -> auction schedule
        buy C 2 @ 110 stop 100     -> waits 2
        phase continuous           -> continuous schedule; then C 4: A 2 @ 100
        """,
    "an order that could trade with its client's own is rejected": """
        phase auction              -> auction schedule
        sell A 5 @ 100             -> rests 5
        buy A 5 @ 99               -> rests 5
        buy A 5 @ 100              -> self_trade 5
        buy A 5 @ 100 market       -> self_trade 5
        buy B 5 @ 100              -> rests 5
        sell B 1 @ 100             -> self_trade 1
        sell B 1 @ 101             -> rests 1
        sell A 1 @ 99              -> self_trade 1
        cancel A 2                 -> cancelled 5
        buy A 5 @ 100              -> rests 5
        cancel A 3                 -> cancelled 5
        sell A 1 @ 100             -> self_trade 1
        sell A 1 @ 101             -> rests 1
        phase continuous           -> continuous schedule
        """,
    "a replacement that could trade with its client's own is refused": """
        phase auction              -> auction schedule
        sell A 5 @ 100             -> rests 5
        buy A 5 @ 99               -> rests 5
        replace A 3 @ 100          -> self_trade
        replace A 2 @ 99           -> self_trade
        replace A 3 to 4           -> replaced, rests 4
        bids                       -> 4 @ 99
        """,
    "an order that waited for the auction and could trade with its client's own is cancelled": """
        sell A 5 @ 100             -> rests 5
        buy A 5 @ 100 auction      -> waits 5
        buy B 5 @ 100 auction      -> waits 5
        phase auction              -> auction schedule, A self_trade 5
        phase continuous           -> B buys 5 from A @ 100, continuous schedule
        """,
    "ioc, fok and post_only are not in auctions": """
        buy P 5 @ 90 post_only     -> rests 5
        phase auction              -> auction schedule
        sell A 5 @ 100 ioc         -> not_in_auction 5
        sell A 5 @ 100 fok         -> not_in_auction 5
        sell A 5 @ 100 post_only   -> not_in_auction 5
        sell A 5 @ 95 stop_limit 96 ioc -> not_in_auction 5
        replace P 1 @ 91           -> not_in_auction
        replace P 1 to 4           -> replaced, rests 4
        """,
    "a close ends an auction with its uncross; stops wait for the next day": """
        phase auction              -> auction schedule
        buy A 5 @ 105 day          -> rests 5
        sell B 3 @ 105             -> rests 3
        buy C 1 @ 120 stop 100     -> waits 1
        phase closed               -> A buys 3 from B @ 105, A expired 2, closed schedule
        phase continuous           -> continuous schedule; then C 4: unfilled 1
        """,
    "a halt postpones an auction": """
        phase auction              -> auction schedule
        buy A 5 @ 105              -> rests 5
        sell B 3 @ 105 auction     -> rests 3
        phase halted               -> halted schedule
        phase continuous           -> A buys 3 from B @ 105, continuous schedule
        """,
    "an auction may end at another time": """
        phase auction until 5      -> auction schedule
        buy A 5 @ 105              -> rests 5
        phase auction until 5      ->
        phase auction until 9      -> auction schedule
        sell B 5 @ 105             -> rests 5
        phase continuous           -> A buys 5 from B @ 105, continuous schedule
        phase continuous           ->
        """,
}
