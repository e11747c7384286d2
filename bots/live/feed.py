"""Turns channel events into a session's events: prices, books, single trades, and reports without a gap."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

import msgspec
from msgspec import Struct

from bots.client.channels import ChannelEvent
from bots.contract import Auction, Level, NewsItem, PhaseChange, Price, Report, Trade
from bots.live.local_book import LocalBook

FeedEvent = Price | LocalBook | Trade | Report | PhaseChange | Auction | NewsItem


class _Quote(Struct, frozen=True):
    bid: Decimal | None
    ask: Decimal | None
    last: Decimal | None


class _Levels(Struct, frozen=True):
    bids: list[Level]
    asks: list[Level]


_decode_quote = msgspec.json.Decoder(_Quote).decode
_decode_levels = msgspec.json.Decoder(_Levels).decode
_decode_trades = msgspec.json.Decoder(list[Trade]).decode
_decode_reports = msgspec.json.Decoder(list[Report]).decode
_decode_phase = msgspec.json.Decoder(PhaseChange).decode
_decode_auction = msgspec.json.Decoder(Auction).decode
_decode_news = msgspec.json.Decoder(list[NewsItem] | NewsItem).decode


class Feed:
    """Follows the channels from their first snapshots; earlier trades, news and reports are not delivered.

    missed  fetches the reports with a sequence above the given one, oldest first
    """

    def __init__(self, missed: Callable[[int], list[Report]]) -> None:
        self._missed = missed
        self._books: dict[str, LocalBook] = {}
        self._last_trade: dict[str, int] = {}
        self._last_report: int | None = None
        self._news: set[int | str] | None = None  # ids that are known; None before the first snapshot

    @property
    def has_reports(self) -> bool:
        """Whether the first snapshot of reports has arrived."""
        return self._last_report is not None

    def hear(self, event: ChannelEvent) -> Iterator[FeedEvent]:
        """Yield what is new in a channel's event; the book of a security is always the same object."""
        security_id = event.security_id or ""
        if event.channel == "price":
            quote = _decode_quote(event.data)
            yield Price(
                security_id=security_id,
                bid=quote.bid,
                ask=quote.ask,
                last=quote.last,
                timestamp=event.timestamp,
                sequence=event.sequence,
            )
        elif event.channel == "book":
            yield self._changed_book(event, security_id)
        elif event.channel == "trades":
            last = self._last_trade.get(security_id, event.sequence)
            self._last_trade[security_id] = event.sequence
            # The contract leaves the order of trades within a snapshot open.
            for trade in sorted(_decode_trades(event.data), key=lambda trade: trade.sequence):
                if trade.sequence > last or event.type == "update":
                    yield msgspec.structs.replace(trade, security_id=security_id)
        elif event.channel == "report":
            yield from self._new_reports(event)
        elif event.channel == "phase":
            phase = _decode_phase(event.data)
            yield msgspec.structs.replace(phase, security_id=security_id, timestamp=phase.timestamp or event.timestamp)
        elif event.channel == "auction":
            yield msgspec.structs.replace(_decode_auction(event.data), security_id=security_id)
        elif event.channel == "news":
            yield from self._new_items(event)

    def _new_items(self, event: ChannelEvent) -> Iterator[NewsItem]:
        """Yield news that was not delivered yet; a snapshot after a gap contains the missed items."""
        content = _decode_news(event.data)
        items = content if isinstance(content, list) else [content]
        known, is_first = self._news or set(), self._news is None and event.type == "snapshot"
        self._news = known | {item.news_id for item in items}
        if not is_first:
            # Snapshots are newest first.
            yield from (item for item in reversed(items) if item.news_id not in known)

    def _changed_book(self, event: ChannelEvent, security_id: str) -> LocalBook:
        book = self._books.setdefault(security_id, LocalBook(security_id))
        levels = _decode_levels(event.data)
        take = book.replace if event.type == "snapshot" else book.change
        take(levels.bids, levels.asks, sequence=event.sequence)
        return book

    def _new_reports(self, event: ChannelEvent) -> Iterator[Report]:
        """Yield the reports that were not delivered yet, in order; fetch those missing from a snapshot."""
        if self._last_report is None:
            self._last_report = event.sequence
            return
        last = self._last_report
        new = [report for report in _decode_reports(event.data) if (report.sequence or 0) > last]
        if event.sequence > last and (not new or (new[0].sequence or 0) > last + 1):
            new = self._missed(last)
        self._last_report = max(last, event.sequence, *(report.sequence or 0 for report in new))
        yield from new
