"""Logs of commands for tests of matching: drawn by hypothesis, or long ones made from a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence

from hypothesis import strategies as st
from msgspec import structs

from tasks.messages import CancelOrder, Command, Expire, ListSecurity, PlaceOrder, SetBand, SetPhase

CLIENTS = ("ANN", "BOB", "CID", "DOT")
SECURITIES = ("MSFT", "AAPL")
# A trader's mix: (type, time in force, post only), the common ones more often.
KINDS = (
    *[("limit", "gtc", False)] * 6,
    ("limit", "ioc", False),
    ("limit", "fok", False),
    ("limit", "gtc", True),
    ("market", "ioc", False),
)


def logs(*, max_size: int = 60) -> st.SearchStrategy[list[Command]]:
    """Draw short logs with many interactions: few prices and clients, cancels of open, closed and future orders."""
    order = st.tuples(
        st.just("place"),
        st.sampled_from(CLIENTS),
        st.sampled_from(SECURITIES),
        st.sampled_from(KINDS),
        st.sampled_from(("buy", "sell")),
        st.integers(1, 12),
        st.integers(98, 103),
    )
    cancel = st.tuples(
        st.just("cancel"),
        st.sampled_from(CLIENTS),
        st.sampled_from(SECURITIES),
        st.integers(-8, 3),  # which order: its distance from the next one
    )
    return st.lists(st.one_of(order, order, order, cancel), max_size=max_size).map(_numbered)


def _numbered(drawn: Sequence[tuple]) -> list[Command]:  # type: ignore[type-arg]
    log: list[Command] = []
    next_order_id = 10
    for position, (what, client_id, security_id, *rest) in enumerate(drawn, 1):
        now_us = 1_700_000_000_000_000 + position
        if what == "place":
            (kind, time_in_force, post_only), side, quantity, price_cents = rest
            log.append(
                PlaceOrder(
                    order_id=next_order_id,
                    client_id=client_id,
                    security_id=security_id,
                    type=kind,
                    side=side,
                    quantity=quantity,
                    price_cents=price_cents,
                    time_in_force=time_in_force,
                    post_only=post_only,
                    sequenced_us=now_us,
                )
            )
            next_order_id += 1
        else:
            log.append(CancelOrder(10_000 + position, client_id, security_id, next_order_id + rest[0], now_us))
    return log


def seeded_log(
    seed: int,
    length: int,
    *,
    securities: Sequence[str] = SECURITIES,
    clients: Sequence[str] = CLIENTS,
    spread: int = 20,
) -> list[Command]:
    """Make a long log: mostly limit orders around 100.00, and cancels of the last few hundred orders.

    spread  how far prices lie from 100.00 [cents]
    """
    chance = random.Random(seed)
    log: list[Command] = []
    placed: list[PlaceOrder] = []
    for position in range(1, length + 1):
        now_us = 1_700_000_000_000_000 + position
        if placed and chance.random() < 0.25:
            order = placed.pop(chance.randrange(len(placed)))
            client_id = order.client_id if chance.random() < 0.95 else chance.choice(clients)
            log.append(CancelOrder(10_000_000 + position, client_id, order.security_id, order.order_id, now_us))
            continue
        kind, time_in_force, post_only = chance.choice(KINDS)
        side = chance.choice(("buy", "sell"))
        away = chance.randint(-spread // 4, spread)  # most rest, some trade
        order = PlaceOrder(
            order_id=position,
            client_id=chance.choice(clients),
            security_id=chance.choice(securities),
            type=kind,  # type: ignore[arg-type]
            side=side,  # type: ignore[arg-type]
            quantity=chance.randint(1, 100),
            price_cents=10_000 - away if side == "buy" else 10_000 + away,
            time_in_force=time_in_force,  # type: ignore[arg-type]
            post_only=post_only,
            sequenced_us=now_us,
        )
        log.append(order)
        placed = [*placed[-300:], order]
    return log


def seeded_day(seed: int, length: int, *, securities: Sequence[str] = SECURITIES) -> list[Command]:
    """Make a log of trading days: phases and their ends, bands that are reached, orders that expire."""
    chance = random.Random(seed)
    log = seeded_log(seed, length, securities=securities)
    for position, security_id in enumerate(securities):
        log[position] = ListSecurity(20_000_000 + position, security_id, 10_000, 1, 1, 10**9, 500, position + 1)
    for position in range(len(securities), length):
        command, now_us = log[position], log[position].sequenced_us
        if isinstance(command, PlaceOrder) and command.time_in_force == "gtc" and chance.random() < 0.3:
            time_in_force = chance.choice(("day", "gtd", "auction"))
            if time_in_force != "auction" or not command.post_only:
                expires_us = now_us + 10 if time_in_force == "gtd" else None
                log[position] = structs.replace(command, time_in_force=time_in_force, expires_us=expires_us)
        elif chance.random() < 0.15:
            log[position] = _of_the_day(chance, log[:position], 20_000_000 + position, now_us, securities)
    return log


def _of_the_day(
    chance: random.Random, log: Sequence[Command], command_id: int, now_us: int, securities: Sequence[str]
) -> Command:
    security_id = chance.choice(securities)
    what = chance.random()
    if what < 0.7:
        phase = chance.choice(("auction", "auction", "continuous", "continuous", "continuous", "closed"))
        return SetPhase(command_id, security_id, phase, "schedule", now_us + 10, now_us)  # type: ignore[arg-type]
    if what < 0.8:
        return SetBand(command_id, security_id, chance.choice((None, 300, 1_000)), now_us)
    due = [
        order.order_id for order in log[-60:] if isinstance(order, PlaceOrder) and (order.expires_us or now_us) < now_us
    ]
    return Expire(command_id, due, now_us)
