"""Find an order in the register of orders, or among those on the way there."""

from __future__ import annotations

from api.orders.intake.pending import PendingOrders
from api.orders.intake.pending_elsewhere import PendingElsewhere
from api.request.databases import reading
from api.wire.problems import Problem, not_found
from db.clearing_data.clients.keys import Identity
from db.clearing_data.log import orders as register
from db.clearing_data.rows import Order
from db.connect import Database
from tasks.messages import OrderRequest


class OrderLookup:
    """Finds orders by id, and hides those of other clients."""

    def __init__(
        self, clearing_data: Database, pending: PendingOrders, elsewhere: PendingElsewhere | None = None
    ) -> None:
        self._clearing_data = clearing_data
        self._pending = pending
        self._elsewhere = elsewhere  # None where this is the only process of the api

    def find(self, identity: Identity, security_id: str, order_id: int) -> Order | OrderRequest:
        """Return an order of this security that the caller may read. Raises Problem (404, 503)."""
        found = self._known(order_id)
        if found is None and self._elsewhere is not None:
            # Once more, because the order may have left the other process between the two looks.
            found = self._elsewhere.order(order_id) or self._known(order_id)
        if (
            found is None
            or found.security_id != security_id
            or (identity.role != "admin" and found.client_id != identity.client_id)
        ):
            raise not_found("order")
        return found

    def _known(self, order_id: int) -> Order | OrderRequest | None:
        pending = self._pending.order(order_id)  # before the register: see PendingOrders.order
        with reading(self._clearing_data) as tx:
            return register.order(tx, order_id) or pending

    def find_by_client_order_id(self, client_id: str, client_order_id: str) -> Order | OrderRequest:
        """Return the order with this client order id.

        raises  Problem  404 only for an id that was never tied to an order; 503 when it is tied to an order whose terms
                         this process does not know, because the order is on its way from another process
        """
        with reading(self._clearing_data) as tx:
            promise = register.promised(tx, client_id, client_order_id)
        if promise is None:
            raise not_found("order")
        found = self._known(promise.order_id)
        if found is None and self._elsewhere is not None:
            found = self._elsewhere.order(promise.order_id) or self._known(promise.order_id)
        if found is None:
            raise Problem(
                503,
                "unknown_outcome",
                "this client_order_id belongs to an order that is not decided yet: try again, or send the order again",
                retry=True,
            )
        return found
