"""The route by which the admin stops a client, lets it trade again, and sets its limits."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from api.accounts import limits
from api.orders.intake.gateway import OrderGateway
from api.request.auth import Keys
from api.request.body import read_json
from api.request.databases import writing
from api.wire.answers import answer
from api.wire.answers_schema.accounts import AccountResumed, AccountStopped
from api.wire.declaration import declared
from api.wire.limits import LimitsChange, LimitsChanged
from api.wire.problems import Problem, not_found
from api.wire.schema import AccountChange
from api.wire.shapes import shape_of
from celery_app.clock import now_us
from db.clearing_data.clients.states import set_stopped
from db.connect import Database


def routes(*, keys: Keys, gateway: OrderGateway, clearing_data: Database) -> Blueprint:
    """Return the route."""
    blueprint = Blueprint("stops", __name__)

    @blueprint.patch("/accounts/<client_id>")
    @declared(
        "admin",
        "Stop a client, which cancels its open orders; let it trade again; or change its limits",
        takes=AccountChange | LimitsChange,
        gives={200: AccountResumed | LimitsChanged, 202: AccountStopped},
        refuses=[409],
    )
    def change(client_id: str) -> Response:
        identity = keys.allowed(client_id)
        asked = read_json()
        if isinstance(asked, dict) and "limits" in asked:
            return answer(limits.change(clearing_data, client_id, asked))
        stopped = shape_of(asked, AccountChange).state == "stopped"
        with writing(clearing_data) as tx:
            state = set_stopped(tx, client_id, stopped=stopped)
        if state is None:
            raise not_found("account")
        if state == "closed":
            raise Problem(409, "account_closed", "the account is closed for good")
        content: dict[str, Any] = {"client_id": client_id, "state": state}
        if not stopped:
            return answer(content)
        # After the commit: the orders that order entry has admitted precede these cancels in the log, and none
        # follows. If the cancels cannot be queued, the client is stopped all the same; stopping it again resends them.
        numbers, _ = gateway.cancel_all(client_id, identity, security_id=None, side=None, received_us=now_us())
        return answer(content | {"command_ids": numbers}, 202)

    return blueprint
