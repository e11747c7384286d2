"""Finds an order wherever it stands: in the register of orders, or still on its way there."""

from __future__ import annotations

from api.orders.intake.accepted import Accepted
from api.request.databases import reading
from api.wire.problems import Problem, not_found
from db.clearing_data import orders as register
from db.clearing_data.keys import Identity
from db.clearing_data.rows import Order
from db.connect import Database
from tasks.messages import OrderRequest


class OrderLookup:
    """Orders by their ids, as far as those who ask may see them."""

    def __init__(self, clearing_data: Database, accepted: Accepted) -> None:
        self._clearing_data = clearing_data
        self._accepted = accepted

    def find(self, identity: Identity, security_id: str, order_id: int) -> Order | OrderRequest:
        """An order of this security and of whoever asks. Raises Problem (404, 503)."""
        pending = self._accepted.order(order_id)  # before the register is read: see there
        with reading(self._clearing_data) as tx:
            found = register.order(tx, order_id) or pending
        if (
            found is None
            or found.security_id != security_id
            or (identity.role != "admin" and found.client_id != identity.client_id)
        ):
            raise not_found("order")
        return found

    def find_by_client_order_id(self, client_id: str, client_order_id: str) -> Order | OrderRequest:
        """The order that the client gave this name.

        raises  Problem  404 only for a name that no order was ever promised; 503 when the order is promised and this
                         process does not know its terms, as it is still on its way from another one
        """
        with reading(self._clearing_data) as tx:
            promise = register.promised(tx, client_id, client_order_id)
        if promise is None:
            raise not_found("order")
        pending = self._accepted.order(promise.order_id)
        with reading(self._clearing_data) as tx:
            found = register.order(tx, promise.order_id) or pending
        if found is None:
            raise Problem(
                503,
                "unknown_outcome",
                "this id is promised to an order that is not decided yet: ask again, or send the order again under it",
                retry=True,
            )
        return found
