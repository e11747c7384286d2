"""Holds what the streams have delivered and the strategy has not seen."""

from __future__ import annotations

from collections import deque
from threading import Condition

from bots.callbacks import BOOK_DEPTH
from bots.contract import Auction, Price
from bots.errors import ExchangeError
from bots.interfaces import Event
from bots.live.feed import FeedEvent
from bots.live.local_book import LocalBook

InboxItem = Event | ExchangeError


class Inbox:
    """Keeps only the newest price, book and auction of each security, so no bot falls behind, and all other events."""

    def __init__(self) -> None:
        self._arrived = Condition()
        self._letters: deque[InboxItem] = deque()
        self._prices: dict[str, Price] = {}
        self._books: dict[str, LocalBook] = {}
        self._auctions: dict[str, Auction] = {}
        self._stopped = False

    def put(self, letter: FeedEvent | ExchangeError) -> None:
        """Add an event or an error; called by the streams' thread."""
        with self._arrived:
            if isinstance(letter, Price):
                self._prices[letter.security_id] = letter
            elif isinstance(letter, LocalBook):
                self._books[letter.security_id] = letter
            elif isinstance(letter, Auction):
                self._auctions[letter.security_id] = letter
            else:
                self._letters.append(letter)
            self._arrived.notify()

    def wake(self) -> None:
        """End all waits, now and in future, because the bot must stop; may be called by a signal handler."""
        self._stopped = True
        with self._arrived:  # a reentrant lock: the thread that a signal handler interrupts may hold it
            self._arrived.notify()

    def rest(self, seconds: float) -> None:
        """Sleep until the time is over or the bot must stop."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._stopped, seconds)

    def failure(self, timeout_s: float) -> ExchangeError | None:
        """Wait for a while, and return an error if there is one; drop other events, and keep prices and books.

        Before a session begins, events are part of the account that it begins with. Prices are not: on a quiet market
        no other one may come for long.
        """
        with self._arrived:
            self._arrived.wait_for(lambda: bool(self._letters or self._stopped), timeout_s)
            failures = [letter for letter in self._letters if isinstance(letter, ExchangeError)]
            self._letters.clear()
            return failures[0] if failures else None

    def take(self, timeout_s: float) -> list[InboxItem]:
        """Take everything; if there is nothing, wait for the first arrival until the time-out."""
        with self._arrived:
            self._arrived.wait_for(self._has_any, timeout_s)
            books = (book.top(BOOK_DEPTH) for book in self._books.values())
            taken = [*self._letters, *self._prices.values(), *books, *self._auctions.values()]
            for held in (self._letters, self._prices, self._books, self._auctions):
                held.clear()
            return taken

    def _has_any(self) -> bool:
        return bool(self._letters or self._prices or self._books or self._auctions or self._stopped)
