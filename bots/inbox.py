"""What the streams have brought and a strategy has not seen."""

from __future__ import annotations

from collections import deque
from threading import Condition

from bots.contract import Price
from bots.desk import Event
from bots.errors import ExchangeError
from bots.feed import Fed
from bots.local_book import LocalBook

# How many levels of each side of a book a strategy is shown.
DEPTH = 20

Letter = Event | ExchangeError


class Inbox:
    """Every report and trade; of prices and books of each security only the newest, so that no bot falls behind."""

    def __init__(self) -> None:
        self._arrived = Condition()
        self._letters: deque[Letter] = deque()
        self._prices: dict[str, Price] = {}
        self._books: dict[str, LocalBook] = {}
        self._stopped = False

    def put(self, letter: Fed | ExchangeError) -> None:
        """Called by the streams' thread."""
        with self._arrived:
            if isinstance(letter, Price):
                self._prices[letter.security_id] = letter
            elif isinstance(letter, LocalBook):
                self._books[letter.security_id] = letter
            else:
                self._letters.append(letter)
            self._arrived.notify()

    def wake(self) -> None:
        """Let who waits look up, now and from now on: the bot is to stop. For signal handlers, too."""
        self._stopped = True
        with self._arrived:  # which the thread that a handler interrupts may hold itself: it is let in again
            self._arrived.notify()

    def rest(self, seconds: float) -> None:
        """Let time pass, unless the bot is to stop."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._stopped, seconds)

    def take(self, timeout_s: float) -> list[Letter]:
        """All there is; when there is nothing, what comes in time."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._letters or self._prices or self._books or self._stopped, timeout_s)
            taken = [*self._letters, *self._prices.values(), *(book.top(DEPTH) for book in self._books.values())]
            self._letters.clear()
            self._prices.clear()
            self._books.clear()
            return taken
