"""Rules 4 and 5: no cent and no share appears or vanishes, and holds equal the needs of open orders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from sqlalchemy import Connection, text

from db.clearing_data.clients.accounts import EXTERNAL, ISSUER, all_accounts, all_holdings
from db.clearing_data.listing.securities import ever_listed
from db.clearing_data.tables import DTCC, FEE_HOLD, MARGIN_HOLD, OWNED_OPEN, SHORT_OPEN
from tasks.audit.clearing.replaces import Need, check_replaces, needs_of_replaced
from tasks.audit.common.result import CheckResult

_BOOKED = text(
    "SELECT account, contra_account, security_id, count(*), sum(cash_cents), sum(shares) "
    "FROM ledger GROUP BY account, contra_account, security_id"
)
_UNEVEN_TRADES = text(
    "SELECT event_id, sum(cash_cents), sum(shares) FROM ledger WHERE kind = 'trade' "
    "GROUP BY event_id HAVING sum(cash_cents) <> 0 OR sum(shares) <> 0"
).execution_options(yield_per=1_000)


def check_conservation(tx: Connection) -> CheckResult:
    """Check that balances and holdings agree with the ledger and with deposits, and DTCC is flat over every trade."""
    checked = CheckResult()
    cash: Counter[str] = Counter()
    shares: Counter[tuple[str, str]] = Counter()
    for account, contra_account, security_id, entries, cents, quantity in tx.execute(_BOOKED):
        checked.checked += entries
        cash[account] += int(cents)
        cash[contra_account] -= int(cents)
        if security_id is not None:
            shares[account, security_id] += int(quantity)
            shares[contra_account, security_id] -= int(quantity)
    _check_cash(tx, checked, cash)
    _check_shares(tx, checked, shares)
    for event_id, cents, quantity in tx.execute(_UNEVEN_TRADES):
        checked.find(f"{DTCC} is left with {-cents} cents and {-quantity} shares of trade {event_id}")
    return checked


def _check_cash(tx: Connection, checked: CheckResult, booked: Counter[str]) -> None:
    balances = {account.client_id: account.balance_cents for account in all_accounts(tx)}
    for client_id in sorted(balances.keys() | booked.keys() - {EXTERNAL, ISSUER}):
        if balances.get(client_id) != booked[client_id]:
            checked.find(
                f"account {client_id} has {balances.get(client_id)} cents; the ledger says {booked[client_id]}"
            )
    if sum(balances.values()) != -booked[EXTERNAL]:
        checked.find(f"all accounts have {sum(balances.values())} cents, and {-booked[EXTERNAL]} came in")


def _check_shares(tx: Connection, checked: CheckResult, booked: Counter[tuple[str, str]]) -> None:
    held = {(holding.client_id, holding.security_id): holding.shares for holding in all_holdings(tx)}
    for client_id, security_id in sorted(held.keys() | {owned for owned in booked if owned[0] != ISSUER}):
        shares = held.get((client_id, security_id), 0)
        if shares != booked[client_id, security_id]:
            checked.find(f"{client_id} holds {shares} {security_id}; the ledger says {booked[client_id, security_id]}")
    for security in ever_listed(tx):
        total = sum(shares for (_, security_id), shares in held.items() if security_id == security.security_id)
        if total != security.issued_shares:
            checked.find(f"all accounts hold {total} {security.security_id}, and {security.issued_shares} were issued")


# One entry of cash and one of shares for each holder, and no account except DTCC has any shares left.
_UNSETTLED = text(
    """
    WITH booked AS (
        SELECT account, security_id, sum(cash_cents) AS cents, -sum(shares) AS shares,
            count(*) <= 2 AND bool_and(
                (contra_account = :dtcc AND cash_cents = 0) OR (contra_account = :external AND shares = 0)
            ) AS is_sound
        FROM ledger WHERE kind = 'final_settlement' GROUP BY account, security_id
    )
    SELECT account, booked.security_id, cents, shares FROM booked
    LEFT JOIN securities ON securities.security_id = booked.security_id AND phase = 'settled'
    WHERE NOT is_sound OR cents IS DISTINCT FROM shares * settlement_cents
    UNION ALL
    SELECT client_id, security_id, NULL, shares FROM holdings JOIN securities USING (security_id)
    WHERE phase = 'settled' AND shares > 0 AND client_id <> :dtcc
    """
)


def check_final_settlements(tx: Connection) -> CheckResult:
    """Check that every share of a settled security was exchanged for its value, once, and no other share was."""
    checked = CheckResult(tx.execute(text("SELECT count(*) FROM ledger WHERE kind = 'final_settlement'")).scalar_one())
    for client_id, security_id, cents, shares in tx.execute(_UNSETTLED, {"dtcc": DTCC, "external": EXTERNAL}):
        if cents is None:
            checked.find(f"{client_id} still has {shares} {security_id}, which is settled")
        else:
            checked.find(f"{client_id} got {cents} cents for {shares} {security_id}, which is not what they are worth")
    return checked


# The open quantity of an order is neither filled nor closed; if a close settled ahead of a fill, it is the quantity of
# that fill. The needs of replaced orders are determined elsewhere.
_ACCOUNTS = text(
    f"""
    SELECT COALESCE(accounts.client_id, needs.client_id), balance_cents, held_cents, open_orders,
        COALESCE(needs.cents, 0) + COALESCE((
            SELECT sum({FEE_HOLD}) FROM orders WHERE orders.client_id = accounts.client_id AND fee_ppm > 0
        ), 0) + COALESCE(margins.cents, 0), COALESCE(orders, 0)
    FROM accounts
    FULL JOIN (
        SELECT client_id, count(*) AS orders, sum(
            CASE WHEN side = 'buy' AND order_id <> ALL(CAST(:replaced AS bigint[]))
                THEN (quantity - filled_quantity - closed_quantity) * hold_cents ELSE 0 END
        ) AS cents
        FROM orders WHERE filled_quantity + closed_quantity < quantity GROUP BY client_id
    ) AS needs ON needs.client_id = accounts.client_id
    LEFT JOIN (
        SELECT client_id, sum({MARGIN_HOLD}) AS cents FROM orders WHERE owned_quantity IS NOT NULL GROUP BY client_id
    ) AS margins ON margins.client_id = accounts.client_id
    ORDER BY 1
    """  # noqa: S608 - the text is ours
)
# DTCC holds the shares that orders of clients that sell short may borrow.
_HOLDINGS = text(
    f"""
    WITH needs AS (
        SELECT client_id, security_id, sum(quantity - filled_quantity - closed_quantity) AS needed, 0 AS to_locate
        FROM orders WHERE side = 'sell' AND filled_quantity + closed_quantity < quantity AND owned_quantity IS NULL
            AND order_id <> ALL(CAST(:replaced AS bigint[]))
        GROUP BY client_id, security_id
        UNION ALL
        SELECT client_id, security_id, sum({OWNED_OPEN}), sum({SHORT_OPEN})
        FROM orders WHERE owned_quantity IS NOT NULL GROUP BY client_id, security_id
        UNION ALL
        SELECT '{DTCC}', security_id, sum({SHORT_OPEN}), 0 FROM orders WHERE owned_quantity IS NOT NULL
        GROUP BY security_id
    )
    SELECT client_id, security_id, shares, held, COALESCE(needs.needed, 0), located, COALESCE(needs.to_locate, 0)
    FROM holdings
    FULL JOIN (
        SELECT client_id, security_id, sum(needed) AS needed, sum(to_locate) AS to_locate
        FROM needs GROUP BY client_id, security_id
    ) AS needs USING (client_id, security_id)
    ORDER BY client_id, security_id
    """  # noqa: S608 - the text is ours
)


_OPEN_ORDERS = text(
    """
    SELECT order_id, open_orders.order_id IS NOT NULL
    FROM (SELECT client_id, order_id FROM orders WHERE filled_quantity + closed_quantity < quantity) AS truly_open
    FULL JOIN open_orders USING (client_id, order_id)
    WHERE truly_open.order_id IS NULL OR open_orders.order_id IS NULL
    """
).execution_options(yield_per=1_000)


def check_holds(tx: Connection) -> CheckResult:
    """Check that holds equal the needs of open orders and pending replacements, are covered, and are not negative."""
    needs, checked = needs_of_replaced(tx)
    checked += check_replaces(tx)
    for order_id, is_listed in tx.execute(_OPEN_ORDERS):
        checked.find(f"order {order_id} is {'not open and in' if is_listed else 'open and not in'} open_orders")
    cents, shares = _of_clients(needs)
    for client_id, balance, held, open_orders, needed, orders in tx.execute(_ACCOUNTS, {"replaced": list(needs)}):
        checked.checked += 1
        if balance is None:
            checked.find(f"{client_id} has {orders} open orders and no account")
            continue
        due = needed + cents.pop(client_id, 0)
        if held != due:
            checked.find(f"account {client_id} holds back {held} cents; its open orders need {due}")
        if open_orders != orders:
            checked.find(f"account {client_id} counts {open_orders} open orders; it has {orders}")
        if not 0 <= held <= balance:
            checked.find(f"account {client_id} has {balance} cents, of which {held} are held")
    for client_id, security_id, owned, held, needed, located, to_locate in tx.execute(
        _HOLDINGS, {"replaced": list(needs)}
    ):
        checked.checked += 1
        if owned is None:
            checked.find(f"{client_id} sells {needed} {security_id} and has no holding")
            continue
        due = needed + shares.pop((client_id, security_id), 0)
        if held != due:
            checked.find(f"{client_id} holds back {held} {security_id}; its open orders need {due}")
        if located != to_locate:
            checked.find(f"{client_id} has located {located} {security_id}; its open orders may borrow {to_locate}")
        if not 0 <= held <= owned:
            checked.find(f"{client_id} has {owned} {security_id}, of which {held} are held")
    for owner, amount in (*cents.items(), *shares.items()):
        if amount:
            checked.find(f"replaced orders need {amount} of {owner}, which does not exist")
    return checked


def _of_clients(needs: Mapping[int, Need]) -> tuple[Counter[str], Counter[tuple[str, str]]]:
    """Return the cash of buyers and the shares of sellers needed by orders with replacements."""
    cents: Counter[str] = Counter()
    shares: Counter[tuple[str, str]] = Counter()
    for need in needs.values():
        if need.side == "buy":
            cents[need.client_id] += need.amount
        else:
            shares[need.client_id, need.security_id] += need.amount
    return cents, shares
