"""Runs a strategy on the exchange: delivers time, market data and reports, and waits while the exchange is away."""

from __future__ import annotations

import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from decimal import Decimal
from functools import partial
from threading import Thread

from bots.client import Client
from bots.client.channels import Subscription, events
from bots.contract import NewsItem, Report, Security
from bots.errors import ExchangeError, Problem, Unavailable
from bots.interfaces import Venue
from bots.live.feed import Feed
from bots.live.inbox import Inbox, InboxItem
from bots.live.venue import LiveVenue
from bots.strategy import Strategy
from bots.trading_session import TradingSession
from bots.working_order import ENDS

log = logging.getLogger(__name__)

SUMMARY_EVERY_S = 60.0
# Back-off while the exchange is away: first wait, and longest unless the exchange asks for more [s].
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 10.0
# How long a start waits for the stream of reports [s].
STREAM_PATIENCE_S = 5.0
# The longest time between two checks whether the bot must stop [s].
LONGEST_REST_S = 1.0
# How long the streams' thread keeps asking for missed reports [s].
MISSED_PATIENCE_S = 3600.0


class Runner:
    """One bot: a strategy, a client and a clock; `venue` makes the venue for its orders from the client."""

    def __init__(
        self,
        strategy: Strategy,
        client: Client,
        *,
        client_id: str,
        rng: random.Random,
        venue: Callable[[Client], Venue] = LiveVenue,
    ) -> None:
        self._strategy = strategy
        self._client = client
        self._venue = venue(client)
        self._client_id = client_id
        self._rng = rng
        self._session: TradingSession | None = None
        self._inbox = Inbox()
        self._feed: Feed | None = None
        self._stopping = False
        self._watched: AbstractContextManager[None] = nullcontext()
        self._refusals: Counter[str] = Counter()
        self._explained: set[str | None] = set()
        self._started_s = time.monotonic()
        self._timer_due_s = float("inf")
        self._summary_due_s = self._started_s + SUMMARY_EVERY_S
        self._away_since_s: float | None = None
        self._wait_s = FIRST_WAIT_S
        self._first_equity: Decimal | None = None

    @property
    def now_s(self) -> float:
        """Time since the runner was made [s]."""
        return time.monotonic() - self._started_s

    @property
    def has_started(self) -> bool:
        """Whether the strategy has been started."""
        return self._session is not None

    @property
    def away_s(self) -> float:
        """How long the exchange has been away [s]; 0 while it answers."""
        since_s = self._away_since_s
        return 0.0 if since_s is None else time.monotonic() - since_s

    @property
    def refusals(self) -> Mapping[str, int]:
        """Requests that the exchange has refused, by code."""
        return self._refusals

    def watched_by(self, watchdog: AbstractContextManager[None]) -> None:
        """Make every call of the strategy inside this context, which may detect that a call takes too long."""
        self._watched = watchdog

    def stop(self) -> None:
        """Make `run` return after the current callback; for other threads and signal handlers."""
        self._stopping = True
        self._inbox.wake()

    def run(self, security_ids: Sequence[str]) -> None:
        """Trade these securities, the first being the strategy's own, until the bot is stopped.

        raises  Problem      the exchange does not accept the key (401, 403)
                LookupError  the exchange does not list one of the securities
                Exception    any exception of the strategy's own
        """
        while not self._stopping and not self._survives(partial(self._start, security_ids)):
            pass
        if self._session is not None:
            log.info("started strategy=%s securities=%s", type(self._strategy).__name__, ",".join(security_ids))
        while not self._stopping:
            self._turn()
        if (session := self._session) is not None:
            self._survives(lambda: self._call(partial(session.stop, self.now_s)))
            if not self._survives(partial(self._summarise, "ended")):
                log.info("ended %s", self._counts())

    # -- start ---------------------------------------------------------------------------------------------------

    def _start(self, security_ids: Sequence[str]) -> None:
        listed = self._client.securities()
        securities = [_listed(listed, security_id) for security_id in security_ids]
        self._client.account(self._client_id)  # a wrong key fails here rather than at the first order
        self._follow(security_ids)
        account = self._client.account(self._client_id)
        self._first_equity = account.equity
        self._session = TradingSession(
            self._strategy,
            self._venue,
            securities,
            self._rng,
            cash=account.balance,
            holdings={one.security_id: one.shares - one.borrowed for one in account.holdings},
            open_orders=[order for name in security_ids for order in self._client.open_orders(name)],
            log=_write,
        )
        self._call(partial(self._session.start, self.now_s))
        interval_s = self._strategy.interval_s()
        if interval_s is not None:
            self._timer_due_s = time.monotonic() + interval_s

    def _follow(self, security_ids: Sequence[str]) -> None:
        """Read the streams in a thread; return once reports arrive. Raises Problem, Unavailable."""
        if self._feed is None:
            away = self._client.another(patience_s=MISSED_PATIENCE_S)
            self._feed = Feed(partial(away.reports_after, client_id=self._client_id))
            wanted = [Subscription("report")] + [
                Subscription(channel, name)
                for channel in sorted(self._strategy.channels())
                for name in ([None] if channel == "news" else security_ids)
            ]
            Thread(target=self._read_streams, args=(self._feed, wanted), daemon=True).start()
        deadline_s = time.monotonic() + STREAM_PATIENCE_S
        while not self._feed.has_reports:
            if (failure := self._inbox.failure(0.05)) is not None:
                raise failure
            if time.monotonic() > deadline_s:
                raise Unavailable("the streams do not answer")

    def _read_streams(self, feed: Feed, wanted: Sequence[Subscription]) -> None:
        try:
            for event in events(self._client.url, self._client.key, wanted):
                for fed in feed.hear(event):
                    self._inbox.put(fed)
        except ExchangeError as failure:
            self._inbox.put(failure)  # the strategy's thread handles it

    # -- main loop -----------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        """Wait for the next event or timer and call the strategy."""
        next_due_s = min(self._timer_due_s, self._summary_due_s)
        for letter in self._inbox.take(min(max(next_due_s - time.monotonic(), 0), LONGEST_REST_S)):
            if not self._stopping:
                self._survives(partial(self._deliver, letter))
        now_s = time.monotonic()
        if now_s >= self._timer_due_s and not self._stopping:
            # Intervals missed while the exchange was away are skipped.
            self._timer_due_s = max(self._timer_due_s + (self._strategy.interval_s() or 0.0), now_s)
            assert self._session is not None, "the timer runs from the start on"
            self._survives(partial(self._call, partial(self._session.tick, self.now_s)))
        if now_s >= self._summary_due_s:
            self._summary_due_s = now_s + SUMMARY_EVERY_S
            self._survives(self._summarise)

    def _deliver(self, letter: InboxItem) -> None:
        if isinstance(letter, ExchangeError):
            raise letter
        assert self._session is not None, "the streams are read from the start on"
        if isinstance(letter, Report | NewsItem) or letter.security_id in self._session.securities:
            self._call(partial(self._session.deliver, letter, self.now_s))
        if isinstance(letter, Report) and letter.event_type == "order" and letter.status == "denied":
            self._explain(letter)

    def _explain(self, denial: Report) -> None:
        """Log the first denial of each kind in words; an order that was in the market before was not denied."""
        if denial.side is None or denial.reason is None or denial.reason in ENDS | self._explained:
            return
        self._explained.add(denial.reason)
        order = self._client.order(denial.security_id, denial.order_id)
        log.warning(
            "order_denied order_id=%d reason=%s%s; further denials of this kind are only counted",
            denial.order_id,
            denial.reason,
            f" detail={order.detail!r}" if order.detail else "",
        )

    def _call(self, callback: Callable[[], None]) -> None:
        with self._watched:
            callback()

    def _survives(self, step: Callable[[], object]) -> bool:
        """Take a step. Return False if the exchange refused it, or is away; in that case pause first.

        raises  Problem  the key is not valid, so no further step can succeed
        """
        try:
            step()
        except Unavailable as failure:
            if self._away_since_s is None:
                log.warning("exchange_away reason=%r; trying until it is back", str(failure))
                self._away_since_s = time.monotonic()
            self._inbox.rest(max(failure.retry_after_s or 0.0, self._wait_s * random.uniform(0.5, 1.0)))
            self._wait_s = min(self._wait_s * 2, LONGEST_WAIT_S)
            return False
        except Problem as problem:
            if problem.status in {401, 403}:
                raise
            if not self._refusals[problem.code]:
                log.warning("refused reason=%r; further refusals of this kind are only counted", str(problem))
            self._refusals[problem.code] += 1
            return False
        if self._away_since_s is not None:
            log.info("exchange_back")
            self._away_since_s, self._wait_s = None, FIRST_WAIT_S
        return True

    def _summarise(self, what: str = "trading") -> None:
        """Log what was done, and what the account has gained since the start."""
        equity = self._client.account(self._client_id).equity
        gain = equity - (equity if self._first_equity is None else self._first_equity)
        log.info("%s %s equity=%s gain=%+.2f", what, self._counts(), equity, gain)

    def _counts(self) -> str:
        assert self._session is not None, "a summary is of what was done"
        tally = self._session.tally
        return (
            f"orders={tally['orders']} fills={tally['trades']} denied={tally['denied']} "
            f"cancelled={tally['cancelled']} refused={self._refusals.total()}"
        )


def _write(now_s: float, text: str, fields: Mapping[str, object]) -> None:
    log.info("strategy at=%.3f %s%s", now_s, text, "".join(f" {name}={field}" for name, field in fields.items()))


def _listed(securities: list[Security], security_id: str) -> Security:
    for security in securities:
        if security.security_id == security_id:
            return security
    listed = ", ".join(security.security_id for security in securities)
    raise LookupError(f"{security_id} is not listed; choose one of {listed}")
