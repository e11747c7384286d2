"""Prepares accounts for a round: empties them and deposits exactly the endowment.

Both may be repeated: the content of an account decides what is withdrawn, and deposits have ids derived from the round.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from bots.contract import Account
from bots.errors import Problem
from db.clearing_data.competition.competitions import Competition, Team
from tasks.referee.exchange import RefereeClient, dollars

# A withdrawal is tried under this many ids, in case an earlier referee was killed after it had withdrawn.
_ATTEMPTS = 100


class Accounts:
    """The accounts of a competition; `ids` are the ids of the round's securities, by their names in the case."""

    def __init__(
        self, client: RefereeClient, found: Competition, teams: Sequence[Team], ids: Mapping[str, str]
    ) -> None:
        self._client = client
        self._found = found
        self._case = found.case
        self._teams = teams
        self._ids = ids

    def clear(self) -> bool:
        """Empty all accounts; return True once they are empty."""
        for team in self._teams:
            account = self._client.account(team.client_id)
            self._take_cash(team, account)
            for holding in account.holdings:
                if holding.shares:
                    self._take_shares(team, holding.security_id, holding.shares)
        return True

    def _take_cash(self, team: Team, account: Account) -> None:
        if account.balance > 0:
            self._withdraw(team, "cash", amount=account.balance)

    def _take_shares(self, team: Team, security_id: str, shares: int) -> None:
        self._withdraw(team, security_id, security_id=security_id, quantity=shares)

    def _withdraw(
        self, team: Team, what: str, *, amount: Decimal = Decimal(0), security_id: str = "", quantity: int = 0
    ) -> None:
        """Withdraw all cash or all shares of a security, as the account has them now; a new id is a new withdrawal."""
        for attempt in range(_ATTEMPTS):
            transfer_id = f"{self._transfer_id(team, 'out', what)}:{attempt}"
            try:
                if security_id:
                    done = self._client.withdraw_shares(team.client_id, security_id, quantity, transfer_id=transfer_id)
                else:
                    done = self._client.withdraw_cash(team.client_id, amount, transfer_id=transfer_id)
            except Problem as problem:
                if problem.code != "transfer_id_reused":
                    raise
                continue
            if not done.duplicate:
                return
        raise RuntimeError(f"{team.client_id} is not empty after {_ATTEMPTS} withdrawals")

    def endow(self) -> bool:
        """Give each account exactly the endowment; return True once all have it."""
        for team in self._teams:
            try:
                self._endow_one(team)
            except Problem as problem:
                if problem.code != "account_closed":  # the admin closed it: that team is out, the others play
                    raise
        return True

    def _endow_one(self, team: Team) -> None:
        if self._case.cash_cents:
            amount = Decimal(dollars(self._case.cash_cents))
            self._client.deposit_cash(team.client_id, amount, transfer_id=self._transfer_id(team, "in", "cash"))
        for name, quantity in self._case.shares.items():
            security_id = self._ids[name]
            transfer_id = self._transfer_id(team, "in", security_id)
            self._client.deposit_shares(team.client_id, security_id, quantity, transfer_id=transfer_id)

    def _transfer_id(self, team: Team, direction: str, what: str) -> str:
        return f"{self._found.competition_id}:{self._found.round}:{team.number}:{direction}:{what}"
