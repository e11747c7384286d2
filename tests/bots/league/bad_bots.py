"""Bots that break a rule, each in its own way; tournaments load them as FILE.py:CLASS."""

from __future__ import annotations

import os
import signal
import time
from threading import Thread

from bots.strategy import Strategy


class Ticking(Strategy):
    """Does something every second."""

    def interval_s(self) -> float:
        return 1.0


class Raises(Ticking):
    def on_timer(self, now: float) -> None:
        if now > 5:
            raise ValueError("of all things")


class Hangs(Ticking):
    def on_timer(self, now: float) -> None:
        while now > 5:
            time.sleep(0.001)


class Floods(Ticking):
    def on_timer(self, now: float) -> None:
        while now > 5:
            self.buy(1, 1)


class FloodsAtOnce(Ticking):
    """Floods a slow exchange, too, because it does not wait for answers."""

    def on_timer(self, now: float) -> None:
        if now > 5:
            for _ in range(40):
                Thread(target=self.buy, args=(1, 1), daemon=True).start()


class EndsTheProcess(Ticking):
    def on_timer(self, now: float) -> None:
        if now > 5:
            os._exit(7)


class Talks(Ticking):
    def on_timer(self, now: float) -> None:
        print("what do you know")  # noqa: T201  # that is what it is about
        self.log("spoke", at=now)


class Well(Ticking):
    def on_timer(self, now: float) -> None:
        self.order(self.rng.choice(("buy", "sell")), 1, 100)


class IsKilled(Ticking):
    def on_timer(self, now: float) -> None:
        if now > 5:
            os.kill(os.getpid(), signal.SIGKILL)


class IsCutOff(Ticking):
    """Simulates a dead machine: it has orders in the market and then falls silent."""

    def on_timer(self, now: float) -> None:
        if not self.open_orders:
            self.buy(1, 1)
        if now > 5:
            os.kill(os.getpid(), signal.SIGSTOP)
