"""Runs a strategy: brings it the clock, the prices and its reports, and sees it through the exchange's absences."""

from __future__ import annotations

import logging
import random
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from threading import Condition, Thread
from typing import NoReturn

from bots.client import Client
from bots.contract import Price, Report, Security
from bots.desk import Desk
from bots.errors import ExchangeError, Problem, Unavailable
from bots.live_venue import LiveVenue
from bots.strategy import Strategy

log = logging.getLogger(__name__)

SUMMARY_EVERY_S = 60.0
# Back-off of a bot whose exchange is away: first wait, and longest unless the exchange asks for more [s].
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 10.0

Event = Price | Report | ExchangeError


class Inbox:
    """What the streams have brought and the strategy has not seen: all reports, and each security's newest price."""

    def __init__(self) -> None:
        self._arrived = Condition()
        self._events: deque[Event] = deque()
        self._prices: dict[str, Price] = {}

    def put(self, event: Event) -> None:
        """Called by a stream's thread."""
        with self._arrived:
            if isinstance(event, Price):
                self._prices[event.security_id] = event
            else:
                self._events.append(event)
            self._arrived.notify()

    def take(self, timeout_s: float) -> list[Event]:
        """All there is; when there is nothing, what comes in time."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._events or self._prices, timeout_s)
            taken: list[Event] = [*self._events, *self._prices.values()]
            self._events.clear()
            self._prices.clear()
            return taken


class Runner:
    """One bot: a strategy, a client, and the time."""

    def __init__(self, strategy: Strategy, client: Client, *, client_id: str, rng: random.Random) -> None:
        self._strategy = strategy
        self._client = client
        self._client_id = client_id
        self._rng = rng
        self._desk: Desk | None = None
        self._inbox = Inbox()
        self._refusals: Counter[str] = Counter()
        self._started_s = time.monotonic()
        self._timer_due_s = float("inf")
        self._summary_due_s = self._started_s + SUMMARY_EVERY_S
        self._away = False
        self._wait_s = FIRST_WAIT_S

    def run(self, security_ids: Sequence[str]) -> NoReturn:
        """Trade in securities, the first one the strategy's own, until the process is stopped.

        raises  Problem      the exchange does not know the key (401, 403)
                LookupError  the exchange does not list one of the securities
                Exception    whatever the strategy raised, when it is none of the exchange's
        """
        while not self._survives(partial(self._start, security_ids)):
            pass
        log.info("started strategy=%s securities=%s", type(self._strategy).__name__, ",".join(security_ids))
        while True:
            self._turn()

    def _start(self, security_ids: Sequence[str]) -> None:
        listed = self._client.securities()
        account = self._client.account(self._client_id)  # a wrong key shows here, and not at the first order
        self._desk = Desk(
            self._strategy,
            LiveVenue(self._client),
            [_listed(listed, security_id) for security_id in security_ids],
            self._rng,
            cash=account.balance,
            holdings={holding.security_id: holding.shares for holding in account.holdings},
            open_orders=[order for name in security_ids for order in self._client.open_orders(name)],
            log=_write,
        )
        self._desk.start(self._now_s())
        self._follow(self._client.reports())
        if "price" in self._strategy.channels():
            self._follow(self._client.prices(security_ids[0] if len(security_ids) == 1 else None))
        interval_s = self._strategy.interval_s()
        if interval_s is not None:
            self._timer_due_s = time.monotonic() + interval_s

    def _now_s(self) -> float:
        return time.monotonic() - self._started_s

    def _follow(self, stream: Iterator[Price] | Iterator[Report]) -> None:
        def follow() -> None:
            try:
                for event in stream:
                    self._inbox.put(event)
            except ExchangeError as failure:
                self._inbox.put(failure)  # for the strategy's thread to deal with

        Thread(target=follow, daemon=True).start()

    def _turn(self) -> None:
        """Wait for what happens next, and tell the strategy."""
        next_due_s = min(self._timer_due_s, self._summary_due_s)
        for event in self._inbox.take(max(next_due_s - time.monotonic(), 0)):
            self._survives(partial(self._tell, event))
        now_s = time.monotonic()
        if now_s >= self._timer_due_s:
            # Intervals that were missed while the exchange was away are not made up for.
            self._timer_due_s = max(self._timer_due_s + (self._strategy.interval_s() or 0.0), now_s)
            assert self._desk is not None, "the timer runs from the start on"
            self._survives(partial(self._desk.tick, now_s - self._started_s))
        if now_s >= self._summary_due_s:
            self._summary_due_s = now_s + SUMMARY_EVERY_S
            self._survives(self._summarise)

    def _tell(self, event: Event) -> None:
        if isinstance(event, ExchangeError):
            raise event
        assert self._desk is not None, "the streams are followed from the start on"
        if isinstance(event, Report) or event.security_id in self._desk.securities:
            self._desk.tell(event, self._now_s())

    def _survives(self, step: Callable[[], object]) -> bool:
        """Take a step. False when the exchange refused it or is away, and then only after a pause.

        raises  Problem  the key is no good, so that no further step can succeed
        """
        try:
            step()
        except Unavailable as failure:
            if not self._away:
                log.warning("exchange_away reason=%r; trying until it is back", str(failure))
                self._away = True
            time.sleep(max(failure.retry_after_s or 0.0, self._wait_s * self._rng.uniform(0.5, 1.0)))
            self._wait_s = min(self._wait_s * 2, LONGEST_WAIT_S)
            return False
        except Problem as problem:
            if problem.status in {401, 403}:
                raise
            if not self._refusals[problem.code]:
                log.warning("refused reason=%r; further ones are only counted", str(problem))
            self._refusals[problem.code] += 1
            return False
        if self._away:
            log.info("exchange_back")
            self._away, self._wait_s = False, FIRST_WAIT_S
        return True

    def _summarise(self) -> None:
        account = self._client.account(self._client_id)
        assert self._desk is not None, "a summary is of what was done"
        tally, refused = self._desk.tally, self._refusals.total()
        counts = " ".join(f"{name}={tally[name]}" for name in ("orders", "trades", "denied", "cancelled"))
        log.info("trading %s refused=%d balance=%s equity=%s", counts, refused, account.balance, account.equity)


def _write(now_s: float, text: str, fields: Mapping[str, object]) -> None:
    log.info("strategy at=%.3f %s%s", now_s, text, "".join(f" {name}={field}" for name, field in fields.items()))


def _listed(securities: list[Security], security_id: str) -> Security:
    for security in securities:
        if security.security_id == security_id:
            return security
    listed = ", ".join(security.security_id for security in securities)
    raise LookupError(f"{security_id} is not listed; listed are {listed}")
