"""Recounts the standings of a competition from its tape, its ledger and its seed, independently of the exchange.

Each check yields the faults that it finds; the exchange's own results serve only for comparison.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from bots.competition.record import Entry, Record, Security, Team, Trade
from bots.competition.seeded import final_cents, hidden_value


def faults(record: Record) -> Iterator[str]:
    """Yield every difference between the record and the results that follow from tape, ledger and seed."""
    yield from _faults_of_seed(record)
    recounted: dict[tuple[int, str], int] = {}
    last_round = max((one.round for one in record.contents.results), default=0)
    for number in range(1, last_round + 1):
        one = Round(record, number)
        yield from one.faults()
        recounted |= {(number, account): gain for account, gain in one.gains.items()}
    yield from _faults_of_standings(record, recounted, last_round)


def _faults_of_seed(record: Record) -> Iterator[str]:
    published = record.contents.competition["seed_sha256"]
    if hashlib.sha256(record.contents.seed.encode()).hexdigest() != published:
        yield "the SHA-256 of the seed is not the one that was published at the beginning"


class Round:
    """A recounted round: `gains` by account [cents]."""

    def __init__(self, record: Record, number: int) -> None:
        self._record = record
        self._case: dict[str, Any] = record.contents.case
        self._number = number
        self._securities = {one.security_id: one for one in record.contents.securities if one.round == number}
        self._tape = {one.event_id: one for one in record.trades if one.security_id in self._securities}
        self._of_account: dict[str, list[Entry]] = defaultdict(list)
        for entry in record.ledger:
            if self._is_of_round(entry):
                self._of_account[entry.account].append(entry)
        self._cash = {
            team.client_id: sum(entry.cash_cents for entry in self._of_account[team.client_id])
            for team in record.contents.teams
        }
        self.gains = {
            team.client_id: self._cash[team.client_id]
            - self._base(team)
            - (0 if team.is_house else self._fine(team.client_id))
            for team in record.contents.teams
        }

    def _base(self, team: Team) -> int:
        """Return the value of the endowment; of a closed account, that of the part which it received."""
        if team.is_closed:
            deposits = self._deposits(team)
            cash = sum(entry.cash_cents for entry in deposits)
            shares = {name: sum(e.shares for e in deposits if e.security_id == name) for name in self._securities}
        else:
            cash = self._case["cash_cents"]
            shares = {one.security_id: self._case["shares"].get(one.named, 0) for one in self._securities.values()}
        return int(cash + sum(shares[name] * (one.value_cents or 0) for name, one in self._securities.items()))

    def _deposits(self, team: Team) -> list[Entry]:
        return [entry for entry in self._of_account[team.client_id] if entry.kind == "deposit"]

    def _is_of_round(self, entry: Entry) -> bool:
        """Return whether an entry belongs to the round: by its security, by its trade, or by its transfer.

        A withdrawal before the next round belongs to that round, although it moves assets that this one left.
        """
        if entry.transfer_id:
            competition_id = self._record.contents.competition["competition_id"]
            _, _, rest = entry.transfer_id.partition(f"{competition_id}:{self._number}:")
            return rest.split(":")[1:2] == ["in"]
        return entry.security_id in self._securities or (entry.kind == "fee" and entry.event_id in self._tape)

    def _fine(self, client_id: str) -> int:
        duty = self._case.get("duty")
        quotes = [
            one.quotes
            for one in self._record.samples
            if (one.round, one.client_id) == (self._number, client_id) and one.quotes is not None
        ]
        if not duty or not quotes:
            return 0
        missing = max(round(duty["presence"] * 100) - 100 * sum(quotes) // len(quotes), 0)
        return int(missing * duty["penalty_cents"])

    def faults(self) -> Iterator[str]:
        """Yield the faults of the round."""
        for fault in (
            *self._faults_of_endowments(),
            *self._faults_of_trades(),
            *self._faults_of_values(),
            *self._faults_of_results(),
        ):
            yield f"round {self._number}: {fault}"

    def _faults_of_endowments(self) -> Iterator[str]:
        wanted = {one.security_id: self._case["shares"].get(one.named, 0) for one in self._securities.values()}
        for team in self._record.contents.teams:
            deposits = self._deposits(team)
            shares = {name: sum(e.shares for e in deposits if e.security_id == name) for name in wanted}
            cash = sum(entry.cash_cents for entry in deposits)
            if (cash, shares) != (self._case["cash_cents"], wanted) and not team.is_closed:
                yield f"{team.team} did not begin with exactly the endowment"
            if any(sum(e.shares for e in self._of_account[team.client_id] if e.security_id == n) for n in wanted):
                yield f"{team.team} has shares that were not settled"

    def _faults_of_trades(self) -> Iterator[str]:
        """Yield trades with a side outside the competition, or with payments that differ from the tape."""
        legs: dict[int, list[Entry]] = defaultdict(list)
        for entries in self._of_account.values():
            for entry in entries:
                if entry.kind == "trade" and entry.event_id is not None:
                    legs[entry.event_id].append(entry)
        for event_id in legs.keys() - self._tape.keys():
            yield f"the ledger has a trade that is not on the tape: event {event_id}"
        for event_id, trade in self._tape.items():
            if not _balances(trade, legs.get(event_id, [])):
                yield f"the ledger does not have both sides of the trade {trade.sequence} of {trade.security_id}"

    def _faults_of_values(self) -> Iterator[str]:
        for security in self._securities.values():
            expected = self._hidden(security) if self._case["final"] == "value" else self._last(security)
            if security.value_cents != expected:
                yield f"{security.security_id} was settled at {security.value_cents} cents and not at {expected}"
        for entry in (e for entries in self._of_account.values() for e in entries if e.kind == "final_settlement"):
            value = self._securities[entry.security_id].value_cents or 0
            held = -sum(
                e.shares
                for e in self._of_account[entry.account]
                if e.kind == "final_settlement" and e.security_id == entry.security_id
            )
            if entry.cash_cents and entry.cash_cents != held * value:
                yield f"{entry.account} was not paid {held} shares of {entry.security_id}"

    def _hidden(self, security: Security) -> int:
        terms = next(one for one in self._case["securities"] if one["security_id"] == security.named)
        news = [
            (one["at_us"] / 1e6, one["change"])
            for one in self._case["news"]
            if one["security_id"] == security.named
            and one["change"] is not None
            and one["round"] in (None, self._number)
        ]
        reference = terms["reference_cents"] / 100
        value = hidden_value(self._record.contents.seed, self._number, security.named, reference=reference, news=news)
        return final_cents(value, round_s=self._case["round_us"] / 1e6, most_cents=terms["max_price_cents"])

    def _last(self, security: Security) -> int:
        trades = [one for one in self._tape.values() if one.security_id == security.security_id]
        if trades:
            return max(trades, key=lambda one: one.sequence).price_cents
        terms = next(one for one in self._case["securities"] if one["security_id"] == security.named)
        return int(terms["reference_cents"])

    def _faults_of_results(self) -> Iterator[str]:
        names = {team.client_id: team for team in self._record.contents.teams}
        scored = _points(
            {account: gain for account, gain in self.gains.items() if not names[account].is_house},
            self._case["scoring"],
        )
        found = {one.client_id: one for one in self._record.contents.results if one.round == self._number}
        if found.keys() != self.gains.keys():
            yield "not every account has a result"
        for account, result in found.items():
            expected = (self._cash[account], self.gains[account], scored.get(account, 0))
            if (result.cash_cents, result.gain_cents, result.points) != expected:
                yield f"{names[account].team} has {expected} cents of cash, gain and hundredths of points, not {result}"


def _balances(trade: Trade, legs: list[Entry]) -> bool:
    cash = trade.price_cents * trade.quantity
    return sorted((leg.cash_cents, leg.shares) for leg in legs) == [(-cash, trade.quantity), (cash, -trade.quantity)]


def _points(gains: dict[str, int], scoring: str) -> dict[str, int]:
    if scoring == "gain":
        return gains
    if scoring == "root":
        return {name: (1 if gain >= 0 else -1) * math.isqrt(100 * abs(gain)) for name, gain in gains.items()}
    return {name: 100 * (len(gains) - sum(other > gain for other in gains.values())) for name, gain in gains.items()}


def _faults_of_standings(record: Record, gains: dict[tuple[int, str], int], last_round: int) -> Iterator[str]:
    """Yield each team whose rank, points or gain does not follow from all rounds."""
    teams = [team for team in record.contents.teams if not team.is_house]
    totals: dict[str, int] = dict.fromkeys((team.client_id for team in teams), 0)
    for number in range(1, last_round + 1):
        of_round = {team.client_id: gains[number, team.client_id] for team in teams}
        for account, points in _points(of_round, record.contents.case["scoring"]).items():
            totals[account] += points
    published = {row["client_id"]: row for row in record.contents.standings}
    if published.keys() != totals.keys():
        yield "the standings do not have exactly the teams"
        return
    for team in teams:
        row, total = published[team.client_id], totals[team.client_id]
        rank = 1 + sum(other > total for other in totals.values())
        gain = sum(gains[number, team.client_id] for number in range(1, last_round + 1))
        if (row["rank"], _cents(row["points"]), _cents(row["gain"])) != (rank, total, gain):
            yield f"{team.team} has rank {rank}, {total / 100:.2f} points and a gain of {gain / 100:.2f}, not {row}"


def _cents(amount: float) -> int:
    return int((Decimal(str(amount)) * 100).to_integral_value())
