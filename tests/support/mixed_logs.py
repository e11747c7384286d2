"""Logs in which every kind of command meets every other, made of plain numbers.

Each command is made of one number, drawn by hypothesis, which is quick with numbers and good at making them
small, or by a seeded generator for long logs. Number 0 is the plainest order there is.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from hypothesis import strategies as st

from tasks.matching.rules.placing import MAX_QUANTITY
from tasks.messages import (
    CancelOrder,
    Command,
    DelistSecurity,
    Expire,
    ListSecurity,
    MassCancel,
    PlaceOrder,
    ReplaceOrder,
    SetBand,
    SetHalt,
    SetPhase,
    SettleSecurity,
)
from tests.support.command_logs import CLIENTS, SECURITIES

_SIDES = ("buy", "sell")
# Frequencies: of 64 commands, of 16 orders.
_COMMANDS = (
    *["place"] * 40,
    *["cancel"] * 7,
    *["replace"] * 11,
    *["set_phase"] * 2,
    "cancel_all",
    "expire",
    "set_halt",
    "rare",
)
_TYPES = (*["limit"] * 9, "market", *["stop"] * 3, *["stop_limit"] * 3)
_TIMES_IN_FORCE = (*["gtc"] * 10, "ioc", "ioc", "fok", "day", "gtd", "auction")
# So that a security is seldom closed for long; continuous trading and auctions take turns.
_PHASES = (*["continuous"] * 9, *["auction"] * 6, "closed")
_RARE = (*["set_band"] * 16, *["list"] * 14, "settle", "delist")
_BANDS_PPM = (None, 1, 10_000, 20_000, 20_000, 30_000, 50_000, 999_999)
# So that half of the orders rest, and of the stop orders half wait.
_LOWEST_CENTS = {"buy": 98, "sell": 99}
_LOWEST_STOP_CENTS = {"buy": 101, "sell": 96}
_PRICES = 8
_BYTES = 7  # of the number of a command
_MOST_SHARES = 12


def mixed_logs(*, max_size: int) -> st.SearchStrategy[list[Command]]:
    """Draw logs of few clients, securities and prices; the average length is half the maximum."""
    return (
        st.integers(1, max_size)
        .flatmap(lambda size: st.binary(min_size=_BYTES * size, max_size=_BYTES * size))
        .map(lambda drawn: made_of([int.from_bytes(number, "little") for number in _parts(drawn)]))
    )


def wild_logs(*, max_size: int) -> st.SearchStrategy[list[Command]]:
    """Draw commands with any values that the messages can carry; only ids and names are few."""
    order_id, command_id = st.integers(1, 6), st.integers(1, 2**53 - 1)
    client_id, security_id, side = st.sampled_from(CLIENTS), st.sampled_from(SECURITIES), st.sampled_from(_SIDES)
    quantity = st.integers(1, 20) | st.sampled_from((MAX_QUANTITY, MAX_QUANTITY + 1, 2**31 - 1))
    # In parts of fewer shares a million of them would be a million trades.
    display_quantity = st.integers(1, 20) | st.sampled_from((MAX_QUANTITY // 2, MAX_QUANTITY, 2**31 - 1))
    price_cents = st.integers(1, 20) | st.sampled_from((10**9 - 1, 10**9))
    amount = st.integers(0, 20) | st.just(2**53 - 1)
    now_us = st.integers(0, 2**53 - 1)
    order = st.builds(
        PlaceOrder,
        order_id=order_id,
        client_id=client_id,
        security_id=security_id,
        type=st.sampled_from(("limit", "limit", "market", "stop", "stop_limit")),
        side=side,
        quantity=quantity,
        price_cents=price_cents,
        time_in_force=st.sampled_from(("gtc", "gtc", "gtc", "ioc", "fok", "day", "gtd", "auction")),
        post_only=st.booleans(),
        sequenced_us=now_us,
        stop_price_cents=st.none() | price_cents,
        display_quantity=st.none() | st.none() | display_quantity,
        hold_cents=amount,
        expires_us=st.none() | now_us,
    ).filter(_is_quick)
    cancel = st.builds(CancelOrder, command_id, client_id, security_id, order_id, now_us)
    replace = st.builds(
        ReplaceOrder,
        command_id=command_id,
        client_id=client_id,
        security_id=security_id,
        order_id=order_id,
        side=side,
        quantity=st.none() | quantity,
        price_cents=st.none() | price_cents,
        hold_cents=amount,
        reserved=amount,
        sequenced_us=now_us,
    )
    cancel_all = st.builds(MassCancel, command_id, client_id, st.lists(order_id, max_size=8), now_us)
    set_halt = st.builds(SetHalt, command_id, security_id, st.sampled_from((False, False, False, True)), now_us)
    band_ppm = st.none() | st.integers(1, 10**6 - 1)
    set_phase = st.builds(
        SetPhase,
        command_id,
        security_id,
        st.sampled_from(("continuous", "continuous", "auction", "auction", "halted", "closed")),
        st.sampled_from(("admin", "schedule", "volatility")),
        st.none() | now_us,
        now_us,
    )
    expire = st.builds(Expire, command_id, st.lists(order_id, max_size=8), now_us)
    set_band = st.builds(SetBand, command_id, security_id, band_ppm, now_us)
    listed = st.builds(
        ListSecurity, command_id, security_id, price_cents, price_cents, price_cents, price_cents, band_ppm, now_us
    )
    rare = st.builds(DelistSecurity, command_id, security_id, now_us) | st.builds(
        SettleSecurity, command_id, security_id, amount, now_us
    )
    command = st.one_of(
        *[order] * 6, cancel, *[replace] * 3, cancel_all, set_halt, *[set_phase] * 2, expire, set_band, listed, rare
    )
    return st.integers(1, max_size).flatmap(lambda size: st.lists(command, min_size=size, max_size=size))


def _is_quick(order: PlaceOrder) -> bool:
    return order.display_quantity is None or order.quantity <= 20 or order.display_quantity > 20


def mixed_log(seed: int, length: int) -> list[Command]:
    """A long log of the same kind."""
    chance = random.Random(seed)
    return made_of([chance.getrandbits(8 * _BYTES) for _ in range(length)])


def made_of(numbers: Sequence[int]) -> list[Command]:
    """Make one command of each number; its meaning depends on the commands before it."""
    maker = _Maker()
    return [maker.command(number) for number in numbers]


def _parts(drawn: bytes) -> list[bytes]:
    return [drawn[start : start + _BYTES] for start in range(0, len(drawn), _BYTES)]


class _Maker:
    def __init__(self) -> None:
        self._placed: list[PlaceOrder] = []
        self._position = 0
        self._number = 0

    def command(self, number: int) -> Command:
        self._number = number
        self._position += 1
        what = self._one_of(_COMMANDS)
        if what == "place":
            self._placed.append(self._order())
            return self._placed[-1]
        if what in ("set_halt", "set_phase", "rare"):
            return self._change_of_security(what)
        client_id, security_id, order_id, side = self._known_order()
        if what == "cancel":
            return CancelOrder(self._id(), client_id, security_id, order_id, self._now_us())
        if what in ("cancel_all", "expire"):
            some = [order.order_id for order in self._placed[-20:] if self._below(2) or order.client_id == client_id]
            if what == "expire":
                return Expire(self._id(), some[-5:], self._now_us())
            return MassCancel(self._id(), client_id, some, self._now_us())
        return ReplaceOrder(
            command_id=self._id(),
            client_id=client_id,
            security_id=security_id,
            order_id=order_id,
            side=side,
            quantity=self._below(_MOST_SHARES) + 1 if self._below(4) else None,
            price_cents=self._price_cents(side) if self._below(2) else None,
            hold_cents=self._below(2) * 120,
            reserved=self._below(100),
            sequenced_us=self._now_us(),
        )

    def _change_of_security(self, what: str) -> Command:
        command_id, security_id, now_us = self._id(), self._one_of(SECURITIES), self._now_us()
        if what == "set_halt":
            # Mostly resume: little happens in a halted security.
            return SetHalt(command_id, security_id, self._below(8) == 7, now_us)
        if what == "set_phase":
            phase, cause = self._one_of(_PHASES), self._one_of(("schedule", "admin"))
            ends_us = now_us + 10 if self._below(2) else None
            return SetPhase(command_id, security_id, phase, cause, ends_us, now_us)  # type: ignore[arg-type]
        what = self._one_of(_RARE)
        if what == "settle":
            return SettleSecurity(command_id, security_id, self._below(200), now_us)
        if what == "delist":
            return DelistSecurity(command_id, security_id, now_us)
        band_ppm = _BANDS_PPM[self._below(len(_BANDS_PPM))]
        if what == "set_band":
            return SetBand(command_id, security_id, band_ppm, now_us)
        return ListSecurity(command_id, security_id, 98 + self._below(_PRICES), 1, 1, 1_000, band_ppm, now_us)

    def _order(self) -> PlaceOrder:
        order_type, time_in_force = self._one_of(_TYPES), self._one_of(_TIMES_IN_FORCE)
        side = self._one_of(_SIDES)
        quantity = self._below(_MOST_SHARES) + 1
        is_stop = order_type in ("stop", "stop_limit")
        is_odd = self._below(64) == 63  # terms that do not go together
        can_be_iceberg = order_type in ("limit", "stop_limit") and time_in_force in ("gtc", "day", "gtd")
        is_iceberg = (can_be_iceberg or is_odd) and self._below(4) == 3
        return PlaceOrder(
            order_id=self._placed[-1].order_id if self._placed and self._below(64) == 63 else 100 + self._position,
            client_id=self._one_of(CLIENTS),
            security_id=self._one_of(SECURITIES),
            type=order_type,  # type: ignore[arg-type]
            side=side,  # type: ignore[arg-type]
            quantity=2**21 if is_odd and self._below(2) else quantity,
            price_cents=self._price_cents(side),
            time_in_force=time_in_force,  # type: ignore[arg-type]
            post_only=self._below(8) == 7,
            sequenced_us=self._now_us(),
            stop_price_cents=_LOWEST_STOP_CENTS[side] + self._below(_PRICES) if is_stop != is_odd else None,
            display_quantity=self._below(quantity + is_odd) + 1 if is_iceberg else None,
            hold_cents=self._below(2) * 120,
            expires_us=self._now_us() + 5 if time_in_force == "gtd" and not is_odd else None,
        )

    def _known_order(self) -> tuple[str, str, int, str]:
        """Return client, security, number and side of a recent order, rarely with one of them wrong."""
        back = self._below(16)
        if back >= len(self._placed):
            return self._one_of(CLIENTS), self._one_of(SECURITIES), 100 + self._position + back % 4, "buy"
        order = self._placed[-1 - back]
        client_id = self._one_of(CLIENTS) if self._below(16) == 15 else order.client_id
        security_id = self._one_of(SECURITIES) if self._below(16) == 15 else order.security_id
        return client_id, security_id, order.order_id, "sell" if self._below(16) == 15 else order.side

    def _below(self, bound: int) -> int:
        self._number, chosen = divmod(self._number, bound)
        return chosen

    def _one_of(self, choices: Sequence[str]) -> str:
        return choices[self._below(len(choices))]

    def _price_cents(self, side: str) -> int:
        return _LOWEST_CENTS[side] + self._below(_PRICES)

    def _id(self) -> int:
        return 1_000_000 + self._position

    def _now_us(self) -> int:
        return 1_700_000_000_000_000 + self._position
