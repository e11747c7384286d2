"""News: announcements of the admin to all clients."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, text

from db.market_data.reads import NEWEST

# A transaction that writes news holds this lock, so that ids become visible in their order; the number is arbitrary.
_WRITING = 7_266_008

_NEWS = "SELECT news_id, published_us, headline, body, security_id FROM news "


class News(NamedTuple):
    """A piece of news; `security_id` is the security it concerns, or None."""

    news_id: int
    published_us: int
    headline: str
    body: str | None
    security_id: str | None


def publish(tx: Connection, *, headline: str, body: str | None, security_id: str | None, now_us: int) -> News:
    """Write a piece of news; other transactions cannot write news until this one ends."""
    tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _WRITING})
    row = tx.execute(
        text(
            "INSERT INTO news (published_us, headline, body, security_id) "
            "VALUES (:now_us, :headline, :body, :security_id) "
            "RETURNING news_id, published_us, headline, body, security_id"
        ),
        {"now_us": now_us, "headline": headline, "body": body, "security_id": security_id},
    ).one()
    return News(*row)


def news(tx: Connection, *, before: int = NEWEST, limit: int) -> list[News]:
    """Return news with ids below `before`, newest first."""
    rows = tx.execute(
        text(_NEWS + "WHERE news_id < :before ORDER BY news_id DESC LIMIT :limit"), {"before": before, "limit": limit}
    )
    return [News(*row) for row in rows]


def news_after(tx: Connection, *, after: int, limit: int) -> list[News]:
    """Return news with ids above `after`, oldest first."""
    rows = tx.execute(
        text(_NEWS + "WHERE news_id > :after ORDER BY news_id LIMIT :limit"), {"after": after, "limit": limit}
    )
    return [News(*row) for row in rows]
