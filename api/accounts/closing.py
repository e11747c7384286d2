"""The route by which the admin closes an account for good."""

from __future__ import annotations

from flask import Blueprint, Response

from api.orders.intake.gateway import OrderGateway
from api.request.auth import Keys
from api.request.databases import writing
from api.wire.answers import answer
from api.wire.answers_schema.accounts import AccountClosed
from api.wire.declaration import declared
from api.wire.problems import Problem, not_found
from celery_app.clock import now_us
from db.clearing_data.clients import states as account_states
from db.connect import Database


def routes(*, keys: Keys, gateway: OrderGateway, clearing_data: Database) -> Blueprint:
    """Return the route."""
    blueprint = Blueprint("closing", __name__)

    @blueprint.delete("/accounts/<client_id>")
    @declared(
        "admin",
        "Close an account and cancel its open orders; withdrawals stay possible",
        gives={202: AccountClosed},
        refuses=[409],
    )
    def close(client_id: str) -> Response:
        identity = keys.allowed(client_id)
        with writing(clearing_data) as tx:
            closed = account_states.close(tx, client_id)
        if closed is None:
            raise not_found("account")
        if closed == "owes_shares":
            raise Problem(409, "shares_owed", "the account owes shares; it can be closed once they are returned")
        # After the commit, as when a client is stopped. Closing the account again sends the cancels again.
        numbers, _ = gateway.cancel_all(client_id, identity, security_id=None, side=None, received_us=now_us())
        return answer({"client_id": client_id, "state": "closed", "command_ids": numbers}, 202)

    return blueprint
