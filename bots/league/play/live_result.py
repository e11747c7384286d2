"""Makes the result of a live match from the exchange's data after settlement."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from bots.contract import OrderState, SettledFill, Trade
from bots.league.play.configuration import League
from bots.league.play.live_exchange import LiveExchange, MatchAccount, cents, shares_of, time_of
from bots.league.play.live_seat import LiveSeat
from bots.league.play.result import AccountSample, BotResult, Fill, MarketSample, Match, PastEvent
from bots.working_order import ENDS


@dataclass
class Course:
    """The course of a live match up to now.

    league         the tournament as played live
    opening_cents  opening price of each security [cents]
    began          time at which the bots started
    opened         the bots' accounts, in the order of the seats
    samples        samples of each account, in the same order
    market         samples of each security; their volumes are filled in at the end
    """

    league: League
    seed: int
    exchange: LiveExchange
    opening_cents: Mapping[str, int]
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    seats: list[LiveSeat] = field(default_factory=list)
    opened: list[MatchAccount] = field(default_factory=list)
    happened: list[PastEvent] = field(default_factory=list)
    samples: list[list[AccountSample]] = field(default_factory=list)
    market: dict[str, list[MarketSample]] = field(default_factory=dict)

    @property
    def securities(self) -> list[str]:
        """Security ids in the order of the configuration."""
        return [security.id for security in self.league.securities]


def match_of(course: Course, tape: Callable[[bytes], object]) -> Match:
    """Make the result of a settled match; `tape` receives the trades, one line of JSON each."""
    trades = sorted(
        (
            (trade, security_id)
            for security_id in course.securities
            for trade in course.exchange.trades_since(security_id, course.began)
        ),
        key=lambda one: (one[0].timestamp or "", one[0].trade_id),
    )
    numbers = {trade.trade_id: number for number, (trade, _) in enumerate(trades, start=1)}
    sides = {trade.trade_id: trade.aggressor_side for trade, _ in trades}
    lines = [tape_line(trade, security_id) for trade, security_id in trades]
    tape(b"".join(lines))
    bots = [
        _bot(course, seat, opened, samples, numbers, sides)
        for seat, opened, samples in zip(course.seats, course.opened, course.samples, strict=True)
    ]
    return Match(
        kind="live",
        seed=course.seed,
        duration_s=course.league.duration,
        securities=course.securities,
        opening=dict(course.opening_cents),
        last={name: samples[-1].last_cents for name, samples in course.market.items()},
        bots=bots,
        market={name: _with_volumes(course, name, samples, trades) for name, samples in course.market.items()},
        happened=course.happened,
        commands=0,
        trades=len(trades),
        fees_cents=sum(fill.fee_cents for bot in bots for fill in bot.fills),
        log_hash="",
        trades_hash=hashlib.sha256(b"".join(lines)).hexdigest(),
    )


def _bot(
    course: Course,
    seat: LiveSeat,
    opened: MatchAccount,
    samples: list[AccountSample],
    numbers: Mapping[str, int],
    sides: Mapping[str, str | None],
) -> BotResult:
    orders, fills = course.exchange.orders_and_fills(opened)
    account = course.exchange.admin.account(opened.client_id)
    rejected, closed = _reasons(orders)
    rejected.update(seat.refusals)
    return BotResult(
        name=seat.entrant.name,
        strategy=seat.entrant.kind,
        account=seat.entrant.account,
        opening_cash_cents=cents(course.league.opening.cash),
        opening=course.league.opening_shares(),
        cash_cents=cents(account.balance),
        shares=shares_of(account, course.securities),
        orders=len(orders) + sum(seat.refusals.values()),
        cancels=closed["cancelled"],
        rejected=dict(sorted(rejected.items())),
        closed=dict(sorted(closed.items())),
        fills=[_fill(course, fill, numbers, sides) for fill in fills],
        samples=samples,
        failure=seat.failure,
        house=seat.entrant.house,
    )


def _fill(course: Course, fill: SettledFill, numbers: Mapping[str, int], sides: Mapping[str, str | None]) -> Fill:
    return Fill(
        _time_s(course, fill.timestamp),
        fill.security_id,
        fill.order_id,
        fill.side,
        fill.quantity,
        cents(fill.price),
        sides.get(fill.trade_id) != fill.side,
        cents(fill.fee),
        numbers.get(fill.trade_id, 0),
    )


def _time_s(course: Course, timestamp: str | None) -> float:
    if timestamp is None:
        return course.league.duration
    since_s = (time_of(timestamp) - course.began).total_seconds()
    return round(min(max(since_s, 0.0), course.league.duration), 6)


def _with_volumes(
    course: Course, security_id: str, samples: list[MarketSample], trades: Sequence[tuple[Trade, str]]
) -> list[MarketSample]:
    """Fill in the shares traded until each sample."""
    times, totals, total = [], [0], 0
    for trade, traded in trades:
        if traded == security_id:
            total += trade.quantity
            times.append(_time_s(course, trade.timestamp))
            totals.append(total)
    return [msgspec.structs.replace(sample, volume=totals[bisect_right(times, sample.time_s)]) for sample in samples]


def tape_line(trade: Trade, security_id: str) -> bytes:
    """Write a published trade as a line of the tape."""
    published = {
        "trade_id": trade.trade_id,
        "security_id": security_id,
        "price": str(trade.price),
        "quantity": trade.quantity,
        "aggressor_side": trade.aggressor_side,
        "sequence": trade.sequence,
        "timestamp": trade.timestamp,
    }
    return msgspec.json.encode(published) + b"\n"


def _reasons(orders: Sequence[OrderState]) -> tuple[Counter[str], Counter[str]]:
    """Count the reasons of orders that never entered the market, and of those that ended in it without filling."""
    rejected, closed = Counter[str](), Counter[str]()
    for order in orders:
        if order.status in {"rejected", "cancelled"}:
            was_in = order.status == "cancelled" and (order.filled_quantity or order.reason in ENDS)
            (closed if was_in else rejected)[order.reason or order.status] += 1
    return rejected, closed
