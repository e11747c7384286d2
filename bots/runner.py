"""Runs a strategy: brings it the clock, the prices and its reports, and sees it through the exchange's absences."""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from threading import Condition, Thread
from typing import NoReturn

from bots.client import Client
from bots.contract import Price, Report, Security
from bots.errors import ExchangeError, Problem, Unavailable
from bots.strategy import Strategy

log = logging.getLogger(__name__)

SUMMARY_EVERY_S = 60.0
# Back-off of a bot whose exchange is away: first wait, and longest unless the exchange asks for more [s].
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 10.0

Event = Price | Report | ExchangeError


class Inbox:
    """What the streams have brought and the strategy has not seen: every report, and the newest price."""

    def __init__(self) -> None:
        self._arrived = Condition()
        self._events: deque[Event] = deque()
        self._price: Price | None = None

    def put(self, event: Event) -> None:
        """Called by a stream's thread."""
        with self._arrived:
            if isinstance(event, Price):
                self._price = event
            else:
                self._events.append(event)
            self._arrived.notify()

    def take(self, timeout_s: float) -> list[Event]:
        """All there is; when there is nothing, what comes in time."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._events or self._price, timeout_s)
            taken: list[Event] = list(self._events)
            if self._price is not None:
                taken.append(self._price)
            self._events.clear()
            self._price = None
            return taken


class Runner:
    """One bot: a strategy, a client, and the time."""

    def __init__(self, strategy: Strategy, client: Client, *, client_id: str, rng: random.Random) -> None:
        self._strategy = strategy
        self._client = client
        self._client_id = client_id
        self._rng = rng
        self._inbox = Inbox()
        self._started_s = time.monotonic()
        self._timer_due_s = float("inf")
        self._summary_due_s = self._started_s + SUMMARY_EVERY_S
        self._away = False
        self._wait_s = FIRST_WAIT_S

    def run(self, security_id: str) -> NoReturn:
        """Trade in a security until the process is stopped.

        raises  Problem      the exchange does not know the key (401, 403)
                LookupError  the exchange does not list the security
        """
        while not self._survives(partial(self._start, security_id)):
            pass
        log.info("started strategy=%s security=%s", self._strategy.name, security_id)
        while True:
            self._turn()

    def _start(self, security_id: str) -> None:
        security = _listed(self._client.securities(), security_id)
        self._client.balance(self._client_id)  # a wrong key shows here, and not at the first order
        self._strategy.take_seat(self._client, security, self._rng)
        self._strategy.on_start()
        self._follow(self._client.reports())
        if type(self._strategy).on_price is not Strategy.on_price:
            self._follow(self._client.prices(security_id))
        interval_s = self._strategy.interval_s()
        if interval_s is not None:
            self._timer_due_s = time.monotonic() + interval_s

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
            self._survives(partial(self._strategy.on_timer, now_s - self._started_s))
        if now_s >= self._summary_due_s:
            self._summary_due_s = now_s + SUMMARY_EVERY_S
            self._survives(self._summarise)

    def _tell(self, event: Event) -> None:
        if isinstance(event, ExchangeError):
            raise event
        if isinstance(event, Price):
            self._strategy.on_price(event)
            return
        tally = self._strategy.tally
        if event.event_type == "trade":
            tally["trades"] += 1
        elif event.status == "denied":
            tally["cancelled" if event.reason == "cancelled" else "denied"] += 1
        self._strategy.on_report(event)

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
            tally = self._strategy.tally
            if not tally[f"refused {problem.code}"]:
                log.warning("refused reason=%r; further ones are only counted", str(problem))
            tally[f"refused {problem.code}"] += 1
            tally["refused"] += 1
            return False
        if self._away:
            log.info("exchange_back")
            self._away, self._wait_s = False, FIRST_WAIT_S
        return True

    def _summarise(self) -> None:
        account = self._client.account(self._client_id)
        tally = self._strategy.tally
        counts = " ".join(f"{name}={tally[name]}" for name in ("orders", "trades", "denied", "cancelled", "refused"))
        log.info("trading %s balance=%s equity=%s", counts, account.balance, account.equity)


def _listed(securities: list[Security], security_id: str) -> Security:
    for security in securities:
        if security.security_id == security_id:
            return security
    listed = ", ".join(security.security_id for security in securities)
    raise LookupError(f"{security_id} is not listed; listed are {listed}")
