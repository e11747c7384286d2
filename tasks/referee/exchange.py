"""The referee's requests to the exchange, with the admin's key; every request may be sent twice."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from bots.client import Client
from bots.client.connection import part
from bots.contract import Key
from bots.errors import Problem
from tasks.referee.rules.case import Case, CaseSecurity, issued_of

# The name of the keys of house bots, which a restarted referee replaces.
HOUSE_KEY = "house"


def dollars(cents: int) -> str:
    """Return cents as an amount that the api accepts."""
    return str(Decimal(cents).scaleb(-2))


class RefereeClient(Client):
    """The admin's client. Every call raises Problem or Unavailable."""

    def phases(self) -> dict[str, str]:
        """Return the phase of each listed security."""
        answer = self.get("/securities", dict[str, Any])
        return {one["security_id"]: one["phase"] for one in answer["data"]}

    def list_security(self, case: Case, security: CaseSecurity, security_id: str) -> None:
        """List a security of a case under an id; change nothing if it is already listed."""
        lowest = security.min_price_cents
        terms = {
            "security_id": security_id,
            "reference_price": dollars(security.reference_cents),
            "tick": dollars(security.tick_cents),
            **({} if lowest is None else {"min_price": dollars(lowest)}),
            "max_price": dollars(security.max_price_cents),
            "issued": issued_of(case, security),
            "maker_fee": dollars(security.maker_fee_ppm),
            "taker_fee": dollars(security.taker_fee_ppm),
            "band": None if security.band_ppm is None else security.band_ppm / 10**6,
        }
        try:
            self.post("/securities", terms, dict[str, Any])
        except Problem as problem:
            if problem.code != "security_exists":
                raise

    def set_phase(self, security_id: str, phase: str, *, seconds: float | None = None) -> None:
        """Begin a phase of a security; if seconds are given, continuous trading follows after them."""
        change: dict[str, Any] = {"phase": phase}
        if seconds is not None:
            change["seconds"] = max(round(seconds, 3), 0.001)
        self.ask("PATCH", f"/securities/{part(security_id)}", dict[str, Any], content=change)

    def settle(self, security_id: str, value_cents: int, *, transfer_id: str) -> None:
        """Settle a security in cash, once."""
        content = {"transfer_id": transfer_id, "value": dollars(value_cents)}
        self.post(f"/securities/{part(security_id)}/settlement", content, dict[str, Any])

    def new_house_key(self, client_id: str) -> str:
        """Make a key for a house bot, and revoke the keys made by earlier referees."""
        for key in self.keys(client_id):
            if key.revoked_at is None and key.name == HOUSE_KEY:
                self.revoke_key(client_id, key.key_id)
        made: Key = self.make_key(client_id, name=HOUSE_KEY)
        assert made.api_key is not None, "the answer to a new key has it"
        return made.api_key

    def count_news(self, headline: str, security_id: str | None, *, since_us: int) -> int:
        """Return how many items of news with this headline were published since a time."""
        since = datetime.fromtimestamp(since_us / 1e6, tz=UTC)
        found = 0
        for news in self.news():
            if datetime.fromisoformat(news.timestamp or "") < since:
                break
            found += (news.headline, news.security_id) == (headline, security_id)
        return found
