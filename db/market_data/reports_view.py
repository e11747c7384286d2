"""Reports and trades as clients read them, assembled from the stored rows.

`report_id` is the number of the request or event, and for a settlement the negative number of its event: no two reports
of an order share it.
"""

from __future__ import annotations

ANY = "true"


def _of_orders(condition: str) -> str:
    return f"""
        SELECT r.order_id, r.report_id, 'order' AS event_type, r.confirmed, r.client, r.security, r.side, r.quantity,
            r.price_cents, r.reason, r.event_us, r.stamp, r.sequence, r.asked_us
        FROM order_reports AS r WHERE {condition}
    """  # noqa: S608 - the text is ours, here and below


def _of_trades(side: str, party: str, condition: str) -> str:
    return f"""
        SELECT r.{side}_order_id, r.event_id, 'trade', true, r.{party}, r.security, '{side}', r.quantity, r.price_cents,
            NULL, r.traded_us, r.stamp, r.{party}_sequence, NULL
        FROM trade_reports AS r WHERE r.stamp IS NOT NULL AND {condition}
    """  # noqa: S608


def _of_settlements(side: str, party: str, condition: str) -> str:
    return f"""
        SELECT trade.{side}_order_id, -trade.event_id, 'settlement', r.reason IS NULL, trade.{party}, r.security,
            '{side}', trade.quantity, trade.price_cents, r.reason, r.traded_us, r.stamp, r.{party}_sequence, NULL
        FROM settlement_reports AS r JOIN trade_reports AS trade USING (security, sequence, traded_us)
        WHERE {condition}
    """  # noqa: S608


_PARTIES = (("buy", "buyer"), ("sell", "seller"))


def reports(condition: str = ANY, *, times: str = ANY) -> str:
    """Return a query for reports, with the columns of tasks.data_feed.rules.rows.Report.

    More conditions may follow it, on `report`, `head` (of the client), `listed` (the security) and `message`.

    condition  on `r.stamp`, on `{sequence}`, the client's number of the report, and on `{order}`, the order id
    times      on `{time}`, when the event happened; it selects partitions
    """
    columns = (
        'report.order_id, report.report_id, CAST(report.event_type AS text) COLLATE "C" AS event_type, '
        'report.confirmed, head.client_id, listed.security_id, CAST(report.side AS text) COLLATE "C" AS side, '
        "CAST(report.quantity AS bigint) AS quantity, CAST(report.price_cents AS bigint) AS price_cents, "
        'CAST(report.reason AS text) COLLATE "C" AS reason, report.event_us, message.sent_us, report.sequence, '
        "message.stored_us, message.began_us, report.asked_us, message.taken_us"
    )
    parts = [
        _of_orders(f"{condition} AND {times}".format(sequence="r.sequence", order="r.order_id", time="r.event_us"))
    ]
    for side, party in _PARTIES:
        names = {"sequence": f"r.{party}_sequence", "order": f"r.{side}_order_id", "time": "r.traded_us"}
        parts.append(_of_trades(side, party, f"{condition} AND {times}".format(**names)))
    for side, party in _PARTIES:
        names = {"sequence": f"r.{party}_sequence", "order": f"trade.{side}_order_id"}
        both = " AND ".join(times.format(time=f"{table}.traded_us") for table in ("r", "trade"))
        parts.append(_of_settlements(side, party, f"{condition.format(**names)} AND {both}"))
    return f"""
        SELECT {columns}
        FROM ({" UNION ALL ".join(parts)}) AS report
        JOIN report_heads AS head ON head.client = report.client
        JOIN report_securities AS listed ON listed.security = report.security
        JOIN report_stamps AS message ON message.stamp = report.stamp WHERE true
    """  # noqa: S608


REPORTS = f"CREATE VIEW reports AS {reports()}"
TRADES = """
    CREATE VIEW trades AS
    SELECT listed.security_id, trade.sequence, trade.event_id, CAST(trade.price_cents AS bigint) AS price_cents,
        CAST(trade.quantity AS bigint) AS quantity, trade.aggressor_side, trade.traded_us
    FROM trade_reports AS trade JOIN report_securities AS listed ON listed.security = trade.security
    WHERE trade.stamp IS NOT NULL
"""
