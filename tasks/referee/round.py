"""Leads one competition: performs its current step, and moves it to the next.

Every action may happen twice, because a referee that is restarted repeats the last step: transfers have ids derived
from competition, round and account, accounts are emptied to a state and not by an amount, and phases are set only where
they are not set already.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import structlog
from sqlalchemy import Connection

from celery_app.clock import now_us
from db import coverage
from db.clearing_data.competition import competitions, referee_reads
from db.clearing_data.competition import rounds as competition_rounds
from db.clearing_data.competition.competitions import Competition, Team
from db.clearing_data.competition.rounds import RoundResult, RoundSecurity, settlement_id
from db.connect import Database
from tasks.messages import event_id, split_event_id
from tasks.referee.accounts import Accounts
from tasks.referee.exchange import RefereeClient
from tasks.referee.house import HouseBots, specs
from tasks.referee.rules.case import CaseNews
from tasks.referee.rules.duty import penalty_cents
from tasks.referee.rules.scoring import endowment_cents, points, value_cents
from tasks.referee.rules.steps import TRADING_STEPS, Place, after
from tasks.referee.samples import Sampler
from tasks.referee.values import hidden_cents

log = structlog.get_logger()

# Clocks of the exchange's hosts may differ by this [us].
_CLOCKS_US = 5_000_000


class Leader:
    """Leads a competition; for use by one thread."""

    def __init__(self, clearing_data: Database, client: RefereeClient, number: int) -> None:
        self._db = clearing_data
        self._client = client
        self._number = number
        self._house = HouseBots(client.new_house_key)
        self._sampler = Sampler(clearing_data)

    def advance(self) -> bool:
        """Perform the competition's current step; return whether the competition is over.

        raises  Problem, Unavailable, sqlalchemy.exc.DBAPIError  try again later
        """
        with self._db.transaction() as tx:
            found = competitions.by_number(tx, self._number)
            teams, securities = competitions.teams(tx, found.number), competition_rounds.securities(tx, found.number)
        work = _Work(self._db, self._client, found, teams, securities)
        is_done = found.step not in ("open", "over") and work.do(found.step)
        if found.step in TRADING_STEPS:
            self._sampler.sample(found)
            self._house.keep(specs(found, teams, work.ids, url=self._client.url))
        else:
            self._house.stop()
        if is_done:
            work.move(after(found.case, work.place, now_us=now_us()))
        return found.step == "over"

    def stop(self) -> None:
        """Stop the house bots."""
        self._house.stop()


class _Work:
    """The work of a competition's step, with the competition's data from the database."""

    def __init__(
        self,
        clearing_data: Database,
        client: RefereeClient,
        found: Competition,
        teams: Sequence[Team],
        securities: Sequence[RoundSecurity],
    ) -> None:
        self._db = clearing_data
        self._client = client
        self._found = found
        self._case = found.case
        self.place = found.place
        self.teams = teams
        self._of_round = [one for one in securities if one.round == max(found.round, 1)]
        self.ids = {one.named: one.security_id for one in self._of_round}
        self._accounts = Accounts(client, found, teams, self.ids)

    @cached_property
    def _phases(self) -> dict[str, str]:
        return self._client.phases()

    def move(self, to: Place) -> None:
        """Move the competition to another place, unless the organiser has moved it in the meantime."""
        with self._db.transaction() as tx:
            if competitions.move(tx, self._found.number, before=self._found.place, to=to):
                log.info("step", competition=self._found.competition_id, round=to.round, state=to.state, step=to.step)

    def do(self, step: str) -> bool:
        """Perform a step; return whether it is done."""
        match step:
            case "listing":
                return self._list()
            case "clearing":
                # A security trades between its listing and its closing; at that time all accounts are empty.
                return self._accounts.clear() and self._list()
            case "endowing":
                return self._accounts.endow()
            case "auction":
                return self._open()
            case "trading":
                return self._trade()
            case "paused":
                return self._pause()
            case "resuming":
                return self._resume()
            case "closing_auction":
                return self._close_by_auction()
            case "settlement":
                return self._settle()
            case "break":
                return self._is_due()
            case _:
                return self._end()

    def _is_due(self) -> bool:
        due_us = self._found.step_ends_us
        return due_us is not None and now_us() >= due_us

    # -- before a round ------------------------------------------------------------------------------------------

    def _list(self) -> bool:
        """List the round's securities and close them; accounts are empty until then, so nothing can trade."""
        for security in self._case.securities:
            security_id = self.ids[security.security_id]
            if security_id not in self._phases:
                self._client.list_security(self._case, security, security_id)
                self._client.set_phase(security_id, "closed")
            elif self._phases[security_id] not in ("closed", "settled"):
                self._client.set_phase(security_id, "closed")
        return True

    # -- a round -------------------------------------------------------------------------------------------------

    def _open(self) -> bool:
        """Begin the auction, which the exchange itself ends."""
        assert self._found.step_ends_us is not None, "an auction has an end"
        for security_id in self.ids.values():
            if self._phases[security_id] == "closed":
                left_s = (self._found.step_ends_us - now_us()) / 1e6
                self._client.set_phase(security_id, "auction", seconds=left_s)
        return self._is_due()

    def _trade(self) -> bool:
        for security_id in self.ids.values():
            if self._phases[security_id] == "closed":  # the auction's end had passed before it could begin
                self._client.set_phase(security_id, "continuous")
        self._publish_news()
        return self._is_due()

    def _publish_news(self) -> None:
        assert self._found.trading_us is not None, "trading has begun"
        elapsed_us = now_us() - self._found.trading_us
        due = [
            (place, news)
            for place, news in enumerate(self._case.news)
            if news.round in (None, self._found.round) and news.at_us <= elapsed_us
        ]
        if not due:
            return
        with self._db.transaction() as tx:
            published = competition_rounds.published_news(tx, self._found.number, self._found.round)
        for place, news in due:
            if place not in published:
                self._publish(place, news, since_us=self._found.trading_us - _CLOCKS_US)

    def _publish(self, place: int, news: CaseNews, *, since_us: int) -> None:
        """Publish news once, even if an earlier referee was killed after it had published them.

        Several items may have the same headline: one more than were noted was published and not noted.
        """
        security_id = None if news.security_id is None else self.ids[news.security_id]
        like = {one for one, other in enumerate(self._case.news) if _is_alike(news, other)}
        with self._db.transaction() as tx:
            noted = competition_rounds.noted_news(tx, self._found.number, like, since_us=since_us)
        if self._client.count_news(news.headline, security_id, since_us=since_us) <= noted:
            self._client.publish_news(news.headline, body=news.body, security_id=security_id)
        with self._db.transaction() as tx:
            competition_rounds.note_news(tx, self._found.number, self._found.round, place, now_us=now_us())

    def _pause(self) -> bool:
        for security_id in self.ids.values():
            if self._phases[security_id] != "halted":
                self._client.set_phase(security_id, "halted")
        return False  # until the organiser resumes

    def _resume(self) -> bool:
        for security_id in self.ids.values():
            if self._phases[security_id] == "halted":
                self._client.set_phase(security_id, "continuous")
        return True

    def _close_by_auction(self) -> bool:
        for security_id in self.ids.values():
            if self._phases[security_id] in ("continuous", "halted"):
                self._client.set_phase(security_id, "auction")
        return self._is_due()

    # -- after a round -------------------------------------------------------------------------------------------

    def _settle(self) -> bool:
        """Close and settle the securities, and enter the results when everything is booked."""
        if not self._close() or not self._settle_all():
            return False
        self._score()
        return True

    def _close(self) -> bool:
        """Close the securities; return whether all their trades are settled, so that the last prices are final."""
        is_closed = True
        for security_id in self.ids.values():
            if self._phases[security_id] not in ("closed", "settled"):
                self._client.set_phase(security_id, "closed")
                is_closed = False
        if not is_closed:
            return False
        with self._db.transaction() as tx:
            closings = referee_reads.phase_events(tx, self.ids.values())
            covered = coverage.read(tx)
        for closing in closings:
            shard, seq, _ = split_event_id(closing)
            intervals = covered.get(("matching", shard), [])
            if not intervals or intervals[0][1] < event_id(shard, seq + 1, 0):
                return False
        return True

    def _settle_all(self) -> bool:
        with self._db.transaction() as tx:
            last = competition_rounds.last_prices(tx, self._found.number)
        for security in self._case.securities:
            security_id = self.ids[security.security_id]
            if self._phases[security_id] == "settled":
                continue
            value = hidden_cents(self._found, security) if self._case.final == "value" else last[security_id]
            with self._db.transaction() as tx:
                value = competition_rounds.set_value(tx, security_id, value)
            transfer_id = settlement_id(self._found.competition_id, self._found.round, security_id)
            self._client.settle(security_id, value, transfer_id=transfer_id)
        return all(self._phases[security_id] == "settled" for security_id in self.ids.values())

    def _score(self) -> None:
        """Enter the results of the round, in one transaction and once."""
        number, round_ = self._found.number, self._found.round
        with self._db.transaction() as tx:
            if any(one.round == round_ for one in competition_rounds.results(tx, number)):
                return
            values = {
                one.named: one.value_cents
                for one in competition_rounds.securities(tx, number)
                if one.round == round_ and one.value_cents is not None
            }
            whole = endowment_cents(self._case.cash_cents, self._case.shares, values)
            received = competition_rounds.received(tx, number, self._found.competition_id, round_)
            by_id = {self.ids[name]: value for name, value in values.items()}
            base = {client_id: value_cents(one, by_id) for client_id, one in received.items()}
            cash = {client_id: worth.cash_cents for client_id, worth in competition_rounds.worth(tx, number).items()}
            fines = self._fines(tx)
            gains = {
                one: cash[one] - base.get(one, whole) - fines.get(one, 0) for one in (t.client_id for t in self.teams)
            }
            scored = points({t.client_id: gains[t.client_id] for t in self.teams if not t.is_house}, self._case.scoring)
            competition_rounds.add_results(
                tx,
                number,
                [
                    RoundResult(round_, client_id, cash[client_id], gain, scored.get(client_id, 0))
                    for client_id, gain in gains.items()
                ],
            )

    def _fines(self, tx: Connection) -> dict[str, int]:
        """Return the penalty of each team for the time in which it did not quote [cents]."""
        duty = self._case.duty
        if duty is None:
            return {}
        samples = [
            one.quotes for one in competition_rounds.samples(tx, self._found.number, self._found.round) if one.quotes
        ]
        return {
            team.client_id: penalty_cents(
                duty, quoted=sum(one.get(team.client_id, 0) for one in samples), samples=len(samples)
            )
            for team in self.teams
            if not team.is_house
        }

    def _end(self) -> bool:
        """Close and settle the listed securities after a stop, at the last prices."""
        for one in self._of_round:
            phase = self._phases.get(one.security_id)
            if phase is not None and phase not in ("closed", "settled"):
                self._client.set_phase(one.security_id, "closed")
        with self._db.transaction() as tx:
            last = competition_rounds.last_prices(tx, self._found.number)
            # The organiser may have settled one by hand.
            listed = [
                one.security_id for one in self._of_round if self._phases.get(one.security_id, "settled") != "settled"
            ]
            values = {
                security_id: competition_rounds.set_value(tx, security_id, last[security_id]) for security_id in listed
            }
        for security_id, value in values.items():
            transfer_id = settlement_id(self._found.competition_id, self._found.round, security_id)
            self._client.settle(security_id, value, transfer_id=transfer_id)
        return not values  # over once all of it is settled


def _is_alike(news: CaseNews, other: CaseNews) -> bool:
    return (news.headline, news.security_id) == (other.headline, other.security_id)
