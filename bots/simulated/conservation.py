"""Checks at the end of every match the audit's rules about money, shares, holds and orders.

No cent and no share appears or vanishes, balances equal the ledger, no amount is below zero, holds equal what open
orders need, what is borrowed is lent and secured, and the engine and the accounts have the same open orders.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from bots.simulated.exchange import Exchange
from tasks.shared.rules.loans import collateral_cents, owed


class ConservationError(AssertionError):
    """A match ended in an impossible state. The fault is in the simulation, never in a bot."""


def require_conserved(exchange: Exchange) -> None:
    """Check an exchange on which nothing is left to settle.

    raises  ConservationError  naming every broken rule
    """
    faults = [*_cash(exchange), *_shares(exchange), *_holds(exchange), *_loans(exchange), *_orders(exchange)]
    if faults:
        raise ConservationError(f"{len(faults)} rules are broken: {'; '.join(faults[:20])}")


def _cash(exchange: Exchange) -> Iterator[str]:
    accounts = exchange.accounts
    came_in = sum(accounts.opening_balances.values())
    total = sum(accounts.balances.values()) + accounts.fees_cents - exchange.lending.paid_cents.total()
    if total != came_in:
        yield f"all accounts and the exchange have {total} cents, but the deposits were {came_in}"
    for client_id, balance in accounts.balances.items():
        booked = accounts.opening_balances[client_id] + accounts.booked[client_id]
        if balance != booked:
            yield f"account {client_id} has {balance} cents, but the ledger says {booked}"
        funds = accounts.funds[client_id]
        # A purchase that returns shares may hold cash of the collateral.
        available = funds.available_cents + funds.collateral_cents
        if not 0 <= available <= balance:
            yield f"account {client_id} has {balance} cents, of which {available} are available or collateral"


def _shares(exchange: Exchange) -> Iterator[str]:
    accounts = exchange.accounts
    opening: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for (_, security_id), shares in accounts.opening_shares.items():
        opening[security_id] += shares
    for (client_id, security_id), shares in accounts.owned.items():
        total[security_id] += shares - accounts.shares[client_id, security_id].borrowed
        available = accounts.shares[client_id, security_id].available
        if not 0 <= available <= shares:
            yield f"account {client_id} has {shares} {security_id}, of which {available} are available"
    for security_id in opening | total:
        if opening[security_id] != total[security_id]:
            yield f"all accounts own {total[security_id]} {security_id}, but the deposits were {opening[security_id]}"


def _holds(exchange: Exchange) -> Iterator[str]:
    accounts = exchange.accounts
    cents: Counter[str] = Counter()
    shares: Counter[tuple[str, str]] = Counter()
    located: Counter[tuple[str, str]] = Counter()
    orders: Counter[str] = Counter()
    for order in accounts.orders.values():
        orders[order.client_id] += 1
        if order.side == "buy":
            cents[order.client_id] += order.open_quantity * order.hold_cents + order.fees_held_cents
        elif order.owned_quantity is not None:
            holds = order.short().holds
            cents[order.client_id] += holds.margin_cents
            shares[order.client_id, order.security_id] += holds.owned
            located[order.client_id, order.security_id] += holds.short
        else:
            shares[order.client_id, order.security_id] += order.open_quantity
    for client_id, funds in accounts.funds.items():
        held = accounts.balances[client_id] - funds.available_cents - funds.collateral_cents
        if held != cents[client_id]:
            yield f"account {client_id} holds {held} cents, but its open orders need {cents[client_id]}"
        if funds.open_orders != orders[client_id]:
            yield f"account {client_id} counts {funds.open_orders} open orders, but has {orders[client_id]}"
    for owned, holding in accounts.shares.items():
        held = accounts.owned[owned] - holding.available
        if held != shares[owned]:
            yield f"account {owned[0]} holds {held} {owned[1]}, but its open orders need {shares[owned]}"
        if holding.located != located[owned]:
            yield f"account {owned[0]} may borrow {holding.located} {owned[1]}, but its open orders {located[owned]}"
    if accounts.pending_replaces:
        yield f"{accounts.pending_replaces} replacements were admitted but never decided"


def _loans(exchange: Exchange) -> Iterator[str]:
    accounts, lending = exchange.accounts, exchange.lending
    required: Counter[str] = Counter()
    lent: Counter[str] = Counter()
    for owner, holding in accounts.shares.items():
        position = lending.position(owner)
        lent[owner[1]] += holding.borrowed + holding.located
        required[owner[0]] += collateral_cents(position.sold_cents)
        if holding.borrowed != owed(position.shares - position.borrowed, position.held):
            yield f"account {owner[0]} owes {holding.borrowed} {owner[1]}, but has {position}"
        if bool(holding.borrowed) is not bool(position.sold_cents):
            yield f"account {owner[0]} owes {holding.borrowed} {owner[1]}, sold for {position.sold_cents} cents"
    for client_id, funds in accounts.funds.items():
        if funds.collateral_cents != required[client_id]:
            yield f"account {client_id} has {funds.collateral_cents} cents of collateral, not {required[client_id]}"
    for security_id, lendable in lending.lendable.items():
        given = lending.at_first[security_id] - lendable.available
        if given != lent[security_id]:
            yield f"DTCC lends {given} {security_id}, but clients borrow {lent[security_id]}"


def _orders(exchange: Exchange) -> Iterator[str]:
    at_engine: dict[int, int] = {}
    for book in exchange.engine.state().books:
        at_engine.update({order.order_id: order.quantity + order.hidden for order in (*book.bids, *book.asks)})
        at_engine.update({order.order_id: order.quantity for order in (*book.stops, *book.for_auction)})
    registered = {order_id: order.open_quantity for order_id, order in exchange.accounts.orders.items()}
    for order_id in sorted(at_engine.keys() | registered.keys()):
        ours, engines = registered.get(order_id, 0), at_engine.get(order_id, 0)
        if ours != engines:
            yield f"order {order_id} has {ours} shares open in the accounts, but {engines} in the book"
