"""Puts on the desk what the rules need to decide a batch; each query runs only if a request of the batch needs it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import Connection

from db.clearing_data.lending import loans
from db.clearing_data.listing import security_entry
from db.clearing_data.log import admission, open_orders
from db.clearing_data.log.admission import Known
from db.statements import Statements
from tasks.messages import (
    CancelRequest,
    DelistRequest,
    ListRequest,
    MassCancelRequest,
    OrderRequest,
    ReplaceRequest,
    Request,
    SecurityRequest,
)
from tasks.order_entry.rules.decisions import Limits
from tasks.order_entry.rules.desk import Desk
from tasks.order_entry.rules.reservation import Terms
from tasks.order_entry.rules.risk import Debt, Funds, Lendable, Shares
from tasks.order_entry.rules.rows import KnownOrder, ReplaceableOrder
from tasks.shared.rules.loans import requirement_cents


def lock(statements: Statements, requests: Iterable[Request]) -> Known:
    """Lock and read the accounts of these requests' clients: all requests of one client wait here for each other."""
    clients: set[str] = set()
    sellers: set[str] = set()
    earliest_us = admission.NEVER_US
    order_ids: list[int] = []
    securities: set[str] = set()
    sweeps = False
    for request in requests:
        if isinstance(request, OrderRequest):
            clients.add(request.client_id)
            securities.add(request.security_id)
            order_ids.append(request.order_id)
            if request.received_us < earliest_us:
                earliest_us = request.received_us
            if request.side == "sell":
                sellers.add(request.client_id)
        elif isinstance(request, ReplaceRequest):
            clients.add(request.client_id)
            sellers.add(request.client_id)
            securities.add(request.security_id)
        elif isinstance(request, CancelRequest):
            clients.add(request.client_id)
            securities.add(request.security_id)
        elif isinstance(request, MassCancelRequest):
            clients.add(request.client_id)
            sweeps = True  # it may reach orders of any security
    return admission.lock_and_read(
        statements,
        clients,
        sellers,
        earliest_us=earliest_us,
        order_ids=(min(order_ids), max(order_ids)) if order_ids else (1, 0),
        security_ids=None if sweeps else securities,
    )


def desk_for(
    tx: Connection, known: Known, requests: Sequence[Request], *, limits: Limits, now_us: int, patient: bool
) -> Desk:
    """Return a desk with everything that the rules need to decide these requests."""
    others = [request for request in requests if type(request) is not OrderRequest]
    desk = Desk(
        funds={
            account.client_id: Funds(
                account.available_cents,
                account.open_orders,
                account.state,
                limits=limits.of_account(account),
                competition=account.competition,
                collateral_cents=account.collateral_cents,
            )
            for account in known.accounts
        },
        shares={
            (holding.client_id, holding.security_id): Shares(
                holding.available, borrowed=holding.borrowed, located=holding.located
            )
            for holding in known.holdings
        },
        securities={security.security_id: security for security in known.securities},
        limits=limits,
        now_us=now_us,
        patient=patient,
        follows=bool(others),
    )
    for mark in known.cancel_marks:
        desk.marks.setdefault(mark.client_id, []).append(mark)
    desk.waiting.update(one.client_id for one in known.waiting)
    limited = [
        client_id for client_id, funds in desk.funds.items() if (funds.limits or limits).max_position is not None
    ]
    if limited:
        desk.positions = open_orders.positions(tx, limited)
    short_sellers = {account.client_id for account in known.accounts if account.short_limit}
    if short_sellers:
        _add_lendable(tx, desk, requests, short_sellers)
    owing = {account.client_id for account in known.accounts if account.collateral_cents}
    if owing:
        _add_debts(tx, desk, owing)
    if others:
        _add_orders(tx, desk, known, others)
        of_securities = [request for request in others if isinstance(request, SecurityRequest)]
        if of_securities:
            _lock_securities(tx, desk, of_securities)
    return desk


def _add_lendable(tx: Connection, desk: Desk, requests: Iterable[Request], short_sellers: Collection[str]) -> None:
    """Lock what DTCC can lend of the securities of which these clients sell more shares than they have available.

    A replacement may sell more, too. Locks on DTCC's holdings come after those on all accounts, and before those on
    securities and shards.
    """
    sold: Counter[tuple[str, str]] = Counter()
    securities: set[str] = set()
    for request in requests:
        if isinstance(request, OrderRequest):
            if request.side == "sell" and request.client_id in short_sellers:
                sold[request.client_id, request.security_id] += request.quantity
        elif isinstance(request, ReplaceRequest) and request.client_id in short_sellers:
            securities.add(request.security_id)
    for owned, quantity in sold.items():
        shares = desk.shares.get(owned)
        if shares is None or shares.available < quantity:
            securities.add(owned[1])
    if securities:
        desk.lendable = {name: Lendable(available) for name, available in loans.lock_lendable(tx, securities).items()}


def _add_debts(tx: Connection, desk: Desk, owing: Collection[str]) -> None:
    """Add what clients owe, and keep back the cash that this requires."""
    desk.debts = {owner: Debt(*debt) for owner, debt in loans.debts(tx, owing).items()}
    owed_cents: Counter[str] = Counter()
    for (client_id, _), debt in desk.debts.items():
        owed_cents[client_id] += debt.value_cents
    for client_id, cents in owed_cents.items():
        desk.funds[client_id].require(requirement_cents(cents))


def _lock_securities(tx: Connection, desk: Desk, requests: Sequence[SecurityRequest]) -> None:
    """Lock the securities that the requests are about, and look up what the decisions depend on."""
    to_be_listed = {request.security_id for request in requests if isinstance(request, ListRequest)}
    changes = desk.changes
    if to_be_listed:
        changes.ever_listed = security_entry.ever_listed(tx, to_be_listed)
        changes.load.update(security_entry.load(tx))
    named = {request.security_id for request in requests}
    for security_id in named:
        desk.securities.pop(security_id, None)  # another worker may have changed it before we locked it
    for security, is_over in security_entry.lock(tx, named):
        desk.securities[security.security_id] = security
        if is_over:
            changes.over.add(security.security_id)
    leaving = {request.security_id for request in requests if isinstance(request, DelistRequest)}
    if leaving:
        changes.busy = security_entry.busy(tx, leaving)
        changes.owed = security_entry.owed(tx, leaving)


def _add_orders(tx: Connection, desk: Desk, known: Known, requests: Sequence[Request]) -> None:
    """Add to the desk what cancels, replacements and mass cancels need to know about earlier orders."""
    cancelled = {r.order_id for r in requests if isinstance(r, CancelRequest)}
    replaced = {r.order_id for r in requests if isinstance(r, ReplaceRequest)}
    sweeping = {r.client_id for r in requests if isinstance(r, MassCancelRequest)}
    if cancelled:
        desk.orders = admission.known_orders(tx, cancelled)
    _add_terms(desk, open_orders.replaceable(tx, replaced))
    if not desk.orders.keys() >= cancelled | replaced:
        desk.issued_below = admission.issued_below(tx)
    if sweeping:
        desk.shards = known.moves
        desk.open_orders = {client_id: {} for client_id in sweeping}
        for order in open_orders.open_orders(tx, sweeping):
            desk.open_orders[order.client_id][order.order_id] = order


def _add_terms(desk: Desk, orders: Iterable[ReplaceableOrder]) -> None:
    for order in orders:
        desk.orders[order.order_id] = KnownOrder(order.client_id, order.security_id, order.is_open)
        if order.is_open:
            desk.terms[order.order_id] = Terms.of_registered(order)
