"""Rules 1 and 2: accepted requests are in the log, once and complete."""

from __future__ import annotations

from sys import intern

from sqlalchemy import Connection, text

from db.connect import Database
from db.market_data.partitions import dropped_denials
from tasks.audit.common.contiguity import check_contiguous
from tasks.audit.common.patience import Patience
from tasks.audit.common.result import CheckResult

# A command belongs to an order if both agree in everything except the time at which the command was sequenced. It is
# encoded as by tasks.messages.encode_command. A log from before fees has no hold, which then equals the price. The
# order's expiry follows the hold: null except for gtd orders, and missing in older logs.
# Quantity, price and hold of a replaced order are those of its last replacement; see tasks.audit.clearing.replaces.
_ORDERS = text(
    """
    WITH placed AS (
        SELECT command_id, command, command ~ ',0(,null|,[0-9]{10,})?]$' AS holds_price
        FROM order_log WHERE starts_with(command, '["place",')
    )
    SELECT COALESCE(orders.order_id, placed.command_id),
        orders.order_id IS NOT NULL,
        placed.command_id IS NOT NULL,
        denials.command_id IS NOT NULL
    FROM orders
    FULL JOIN placed ON placed.command_id = orders.order_id
    LEFT JOIN denials ON denials.command_id = COALESCE(orders.order_id, placed.command_id)
    WHERE orders.order_id IS NULL
        OR (placed.command_id IS NULL) = (denials.command_id IS NULL)
        OR (denials.command_id IS NULL AND (placed.command NOT LIKE concat(
            '["place",', orders.order_id, ',', to_json(orders.client_id), ',', to_json(orders.security_id), ',"',
            orders.type, '","', orders.side, '",',
            CASE
                WHEN orders.terms_event_id IS NOT NULL THEN '%'
                WHEN holds_price THEN concat(orders.quantity, ',', orders.hold_cents)
                ELSE concat(orders.quantity, ',', COALESCE(CAST(orders.price_cents AS text), '%'))
            END,
            ',"', orders.time_in_force, '",', CASE WHEN orders.post_only THEN 'true' ELSE 'false' END, ',%,',
            COALESCE(CAST(orders.stop_price_cents AS text), 'null'), ',',
            COALESCE(CAST(orders.display_quantity AS text), 'null'), ',',
            CASE
                WHEN orders.terms_event_id IS NOT NULL THEN '%'
                WHEN holds_price THEN '0'
                ELSE CAST(orders.hold_cents AS text)
            END,
            CASE WHEN orders.expires_us IS NULL THEN '%' ELSE concat(',', orders.expires_us) END,
            ']')
            OR (orders.expires_us IS NULL AND command ~ ',[0-9]{15,}]$')))
        OR (denials.command_id IS NOT NULL AND (orders.status, orders.reason) <> ('rejected', denials.reason))
    """
).execution_options(yield_per=1_000)

_OTHERS = text(
    """
    SELECT denials.command_id FROM denials JOIN order_log USING (command_id)
    WHERE NOT starts_with(order_log.command, '["place",')
    """
).execution_options(yield_per=1_000)


def check_orders(tx: Connection) -> CheckResult:
    """Check that every order is either denied or in the log once, as in the register, and that no command is both."""
    checked = CheckResult(tx.execute(text("SELECT count(*) FROM orders")).scalar_one())
    for order_id, is_registered, is_logged, is_denied in tx.execute(_ORDERS):
        if not is_registered:
            checked.find(f"order {order_id} is in the log and not in orders")
        elif is_logged and is_denied:
            checked.find(f"order {order_id} is in the log and denied")
        elif is_logged:
            checked.find(f"order {order_id} differs from the log")
        elif is_denied:
            checked.find(f"order {order_id} is denied for another reason than orders says")
        else:
            checked.find(f"order {order_id} is neither in the log nor denied")
    for (command_id,) in tx.execute(_OTHERS):
        checked.find(f"request {command_id} is in the log and denied")
    return checked


def read_heads(tx: Connection) -> dict[int, int]:
    """Return the number of the last command of each shard."""
    rows = tx.execute(text("SELECT shard, last_seq FROM shards ORDER BY shard"))
    return {row.shard: row.last_seq for row in rows}


def read_denials(tx: Connection) -> dict[int, str]:
    """Return the reason of every denied request of a client, by its number."""
    query = text("SELECT command_id, reason FROM denials WHERE denied_us IS NULL OR report IS NOT NULL")
    rows = tx.execute(query.execution_options(yield_per=10_000))
    return {command_id: intern(reason) for command_id, reason in rows}  # millions, with a few reasons


# Order entry's denials have the numbers of requests, which are smaller than those of the engine's events.
_DENIAL_REPORTS = text(
    "SELECT report_id, reason FROM reports WHERE NOT confirmed AND report_id > 0 AND report_id < CAST(2 ^ 53 AS bigint)"
).execution_options(yield_per=10_000)


def check_denial_reports(market_data: Database, denials: dict[int, str], patience: Patience) -> CheckResult:
    """Check that every denied request has its report, with the reason, unless it was dropped with its day."""
    checked = CheckResult(len(denials))
    missing = dict(denials)
    while missing:
        with market_data.snapshot() as tx:
            for command_id in dropped_denials(tx):
                missing.pop(command_id, None)
            for command_id, reason in tx.execute(_DENIAL_REPORTS):
                expected = missing.pop(command_id, reason)
                if expected != reason:
                    checked.find(f"request {command_id} was denied for {expected} and reported as {reason}")
        if not patience.wait(len(missing)):
            break
    for command_id in sorted(missing):
        checked.find(f"request {command_id} was denied ({missing[command_id]}) and there is no report")
    return checked


def check_log(tx: Connection) -> CheckResult:
    """Check that the numbers of each shard's log go from 1 to its head without a gap."""
    return check_contiguous(tx, "order_log", group="shard", number="seq", heads="shards", head="last_seq")
