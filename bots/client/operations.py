"""Operations that need the admin's key: accounts, transfers, halts, fees and news."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

from bots.client.connection import Connection, part
from bots.contract import AccountState, NewsItem, OpenedAccount, Security, Transferred


class Operations(Connection):
    """The admin's part of the client. Every call raises Problem or Unavailable."""

    def open_account(self, client_id: str) -> OpenedAccount:
        """Open an account. Raises Problem (409) if it exists, which includes that the first answer was lost."""
        return self.post("/accounts", {"client_id": client_id}, OpenedAccount)

    def stop_client(self, client_id: str) -> AccountState:
        """Cancel a client's open orders and deny further ones until `resume_client`: the kill switch."""
        return self._change_account(client_id, "stopped")

    def resume_client(self, client_id: str) -> AccountState:
        """Allow a stopped client to trade again."""
        return self._change_account(client_id, "open")

    def set_limits(self, client_id: str, limits: dict[str, int | None]) -> None:
        """Change limits of an account; None is the exchange's default, and limits that are not given stay."""
        self.ask("PATCH", f"/accounts/{part(client_id)}", dict[str, Any], content={"limits": limits})

    def _change_account(self, client_id: str, state: Literal["open", "stopped"]) -> AccountState:
        return self.ask("PATCH", f"/accounts/{part(client_id)}", AccountState, content={"state": state})

    def close_account(self, client_id: str) -> AccountState:
        """Close an account permanently; its open orders are cancelled, and its assets can be withdrawn."""
        return self.ask("DELETE", f"/accounts/{part(client_id)}", AccountState)

    def deposit_cash(self, client_id: str, amount: Decimal, *, transfer_id: str) -> Transferred:
        """Deposit cash [dollars]; the same transfer id twice has one effect."""
        return self._move("deposits", client_id, transfer_id, {"amount": str(amount)})

    def withdraw_cash(self, client_id: str, amount: Decimal, *, transfer_id: str) -> Transferred:
        """Withdraw cash [dollars]; the same transfer id twice has one effect."""
        return self._move("withdrawals", client_id, transfer_id, {"amount": str(amount)})

    def deposit_shares(self, client_id: str, security_id: str, quantity: int, *, transfer_id: str) -> Transferred:
        """Move shares from the depository into an account; the same transfer id twice has one effect."""
        return self._move("deposits", client_id, transfer_id, {"security_id": security_id, "quantity": quantity})

    def withdraw_shares(self, client_id: str, security_id: str, quantity: int, *, transfer_id: str) -> Transferred:
        """Move shares from an account back to the depository; the same transfer id twice has one effect."""
        return self._move("withdrawals", client_id, transfer_id, {"security_id": security_id, "quantity": quantity})

    def _move(self, which: str, client_id: str, transfer_id: str, what: dict[str, Any]) -> Transferred:
        return self.post(f"/accounts/{part(client_id)}/{which}", {"transfer_id": transfer_id, **what}, Transferred)

    def correct(self, client_id: str, *, transfer_id: str, reason: str, **what: Any) -> Transferred:
        """Correct an error by a transfer of its own: `amount` [dollars], or `security_id` and `quantity`.

        Negative values take from the client. `entry_id` names the wrong ledger entry.
        """
        fields = {name: str(value) if isinstance(value, Decimal) else value for name, value in what.items()}
        return self.post(
            "/corrections",
            {"transfer_id": transfer_id, "client_id": client_id, "reason": reason, **fields},
            Transferred,
        )

    def halt(self, security_id: str) -> None:
        """Halt a security: only cancels are accepted until `resume`."""
        self._change_security(security_id, {"halted": True})

    def resume(self, security_id: str) -> None:
        """Resume trading in a halted security."""
        self._change_security(security_id, {"halted": False})

    def set_fees(self, security_id: str, *, maker_fee: Decimal, taker_fee: Decimal) -> Security:
        """Set a security's fees [basis points]. Raises Problem (409) while one of its orders is open."""
        fees = {"maker_fee": str(maker_fee), "taker_fee": str(taker_fee)}
        return self.ask("PATCH", f"/securities/{part(security_id)}", Security, content=fees)

    def _change_security(self, security_id: str, change: dict[str, Any]) -> None:
        self.ask("PATCH", f"/securities/{part(security_id)}", dict[str, Any], content=change)

    def publish_news(self, headline: str, *, body: str | None = None, security_id: str | None = None) -> NewsItem:
        """Publish news to all clients. Raises Unavailable if it may or may not be published: it is not sent twice."""
        given = {"headline": headline, "body": body, "security_id": security_id}
        content = {name: text for name, text in given.items() if text is not None}
        return self.ask("POST", "/news", NewsItem, content=content, repeatable=False)

    def netting(self, *, from_: str | None = None, to: str | None = None) -> dict[str, Any]:
        """Return the figures of `GET /clearing/netting` for a period."""
        times = {name: time for name, time in (("from", from_), ("to", to)) if time is not None}
        return self.get("/clearing/netting", dict[str, Any], times)

    def audit(self) -> dict[str, Any]:
        """Return the findings of `GET /audit`."""
        return self.get("/audit", dict[str, Any])
