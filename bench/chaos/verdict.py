"""The verdict: whether every answer to a client is true, each order exists once, and the audit passes."""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import requests
from kombu import Connection

from bench.chaos.accounting import Accounting, name_of, read_orders
from bench.chaos.arena import Arena
from bench.chaos.record import Record, SentOrder
from bench.chaos.short_sellers import SQUEEZER, offer_what_is_owed
from bots.client import Client
from celery_app.topology import DEAD_LETTER, task_queues
from db.connect import Database
from deploy.local.places import ROOT, VENV_PYTHON

# The longest time in which the queues drain after the last fault [s].
_DRAIN_S = 180.0
_AUDIT_S = 600.0
# The longest time in which the exchange accepts an order after the last fault [s].
_RESOLVE_S = 60.0
# Time for a query to find an order that is not pending; a promised order that is missing keeps giving 503 [s].
_QUERY_S = 5.0
# The longest time in which buy-ins end once there are offers [s].
_BUY_INS_S = 60.0
# Findings of one kind that the report lists.
_MOST_LISTED = 20
# When a queue is empty for this long, no worker has a message of it: workers retry their batches sooner [s].
_EMPTY_S = 4.0
# Events in the logs that a report counts, because they repair rare faults. A test checks that the exchange logs these
# names and those below.
COUNTED_EVENTS = ("worker_stalled", "worker_hangs", "unit_suspicious", "standby_stands_in")
# Events that call for an operator, as every line of the level critical does.
ALARMS = ("message_failed", "message_unreadable")
# Critical, but no fault: a short seller lost more than it had.
EXPECTED = "event=default_fund_pays"


@dataclass(slots=True)
class Verdict:
    """The result of a run; `findings` is empty if everything is right."""

    findings: list[str] = field(default_factory=list)
    accepted: int = 0
    lost: int = 0
    doubled: int = 0
    resolved: int = 0  # orders of unknown outcome that the exchange has decided
    sent_again: int = 0  # orders that were sent more than once
    lost_with_the_queues: int = 0  # accepted orders that were only in RabbitMQ when its data were deleted
    dead_letters: int = 0
    buy_ins: int = 0  # orders of the clearinghouse for clients that it bought in
    bought_in: int = 0  # these clients
    audit: dict[str, Any] = field(default_factory=dict)
    events: Counter[str] = field(default_factory=Counter)  # lines in the logs with COUNTED_EVENTS

    def find(self, kind: str, what: Sequence[str]) -> int:
        """Record findings of one kind, and return their number."""
        self.findings += [f"{kind}: {one}" for one in what[:_MOST_LISTED]]
        if len(what) > _MOST_LISTED:
            self.findings.append(f"{kind}: and {len(what) - _MOST_LISTED} more")
        return len(what)


class Judge:
    """Judges the exchange after the last fault."""

    def __init__(
        self,
        arena: Arena,
        record: Record,
        keys: dict[str, str],
        admin: Client,
        clearing_data: Database,
        market_data: Database,
        *,
        data_lost_s: Sequence[float] = (),
    ) -> None:
        """`data_lost_s`: the times at which RabbitMQ lost its data, since the start of the run [s]."""
        self._arena = arena
        self._record = record
        self._keys = keys
        self._admin = admin
        self._clearing_data = clearing_data
        self._market_data = market_data
        self.verdict = Verdict()
        self._data_lost_s = data_lost_s
        self._resolved: dict[int, set[int]] = {}  # order ids that were found out, by `id` of the sent order
        self._named: set[int] = set()  # orders that were lost with RabbitMQ's data, which the audit must name

    def judge(self) -> Verdict:
        """Wait for the queues to drain, compare everything, and run the audit."""
        verdict = self.verdict
        self._drain()
        self._resolve()
        self._end_buy_ins()
        self._drain()
        verdict.accepted = self._record.accepted
        self._account()
        verdict.find("unexpected answer", self._unexpected())
        verdict.find("program", self._arena.ended())
        verdict.find("log", self._critical())
        self._audit()
        return verdict

    # -- unknown outcomes --------------------------------------------------------------------------------------------

    def _drain(self) -> None:
        """Wait until the queues are empty and stay so."""
        deadline_s = time.monotonic() + _DRAIN_S
        empty_since_s = time.monotonic()
        while time.monotonic() - empty_since_s < _EMPTY_S:
            deep = [f"{name}: {depth}" for name, depth in self._depths().items() if depth]
            if deep:
                empty_since_s = time.monotonic()
            if empty_since_s > deadline_s:
                self.verdict.find("queue does not drain", deep)
                return
            time.sleep(0.3)

    def _depths(self) -> dict[str, int]:
        """Return the number of ready messages in each queue."""
        with Connection(self._arena.own.settings.broker_url.get_secret_value()) as connection:
            channel = connection.channel()
            names = [queue.name for queue in task_queues()]
            return {name: channel.queue_declare(name, passive=True).message_count for name in names}

    def _resolve(self) -> None:
        """Resolve orders of unknown outcome: query every second one, and then send them again.

        Those that were queried, and that no loss of RabbitMQ's data can have hit, are left alone, as by a client that
        gives up: the exchange must keep its promise by itself. Orders that were not accepted are sent again as well.
        """
        named = [sent for sent in self._record if sent.client_order_id is not None and not sent.is_accepted]
        unclear = [sent for sent in named if sent.is_open]
        absent = [sent for sent in named if sent.outcomes == {"not accepted"}]
        self.verdict.resolved = len(unclear)
        denied = []
        for sent in unclear[::2]:
            order_id = decided_id(self._arena.own.url, self._keys[sent.client_id], str(sent.client_order_id))
            if order_id == "absent":
                denied.append(sent)
            elif order_id != "undecided":
                self._resolved[id(sent)] = {order_id}
        there = {(row.client_id, row.client_order_id) for row in read_orders(self._clearing_data).values()}
        self.verdict.find(
            "not accepted, but exists",
            [name_of(sent) for sent in (*absent, *denied) if (sent.client_id, sent.client_order_id) in there],
        )
        abandoned = {id(sent) for sent in unclear[::2] if self._is_after_losses(sent)}
        for sent in (*unclear, *absent):
            if id(sent) not in abandoned:
                self._resolved.setdefault(id(sent), set()).add(self._place(sent))

    def _is_after_losses(self, sent: SentOrder) -> bool:
        """Return whether RabbitMQ lost no data since an order was first sent."""
        first_s = min(attempt.sent_s for attempt in sent.attempts)
        return all(lost_s < first_s for lost_s in self._data_lost_s)

    def _place(self, sent: SentOrder) -> int:
        """Send an order again until it is accepted; return its order id."""
        head = {"Authorization": f"Bearer {self._keys[sent.client_id]}"}
        deadline_s = time.monotonic() + _RESOLVE_S
        while True:
            answer = requests.post(f"{self._arena.own.url}/orders", json=sent.terms, headers=head, timeout=15)
            if answer.ok:
                return int(answer.json()["order_id"])
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"{sent.client_order_id} is answered {answer.status_code} {answer.text[:200]}")
            time.sleep(0.5)

    def _end_buy_ins(self) -> None:
        """Offer what clients under a buy-in owe, until every buy-in is over."""
        deadline_s = time.monotonic() + _BUY_INS_S
        attempt = 0
        while left := offer_what_is_owed(self._arena.own.url, self._admin, self._keys[SQUEEZER], attempt=attempt):
            attempt += 1
            if time.monotonic() > deadline_s:
                self.verdict.find("buy-in is not over", left)
                return
            time.sleep(2.0)

    # -- the account -------------------------------------------------------------------------------------------------

    def _account(self) -> None:
        verdict = self.verdict
        account = Accounting(
            self._record, self._resolved, self._clearing_data, self._market_data, data_lost_s=self._data_lost_s
        )
        self._named = account.lost_with_the_queues
        verdict.lost_with_the_queues = len(self._named)
        verdict.sent_again = account.sent_again
        verdict.buy_ins, verdict.bought_in = account.buy_ins, len(account.bought_in)
        verdict.lost = verdict.find("lost", account.lost)
        verdict.doubled = verdict.find("doubled", account.doubled)
        verdict.find("copies", account.copies)
        verdict.find("orders without a name", account.unnamed)
        verdict.find("order that no client sent", account.strange)

    # -- everything else ---------------------------------------------------------------------------------------------

    def _unexpected(self) -> list[str]:
        """Describe refusals: the requests of the clients are valid, so the exchange should refuse none."""
        return [
            f"{sent.client_id} {sent.client_order_id}: {attempt.status} {attempt.code}"
            for sent in self._record
            for attempt in sent.attempts
            if attempt.outcome == "refused"
        ]

    def _critical(self) -> list[str]:
        """Return the lines of the logs that call for an operator."""
        found = []
        marks = ("level=critical", *(f"event={event}" for event in ALARMS))
        for log in sorted(self._arena.own.instance.logs.glob("*.log*")):
            lines = log.read_text(errors="replace").splitlines()
            for event in COUNTED_EVENTS:
                self.verdict.events[event] += sum(f"event={event} " in f"{line} " for line in lines)
            found += [
                f"{log.name}: {line[:400]}"
                for line in lines
                if any(mark in line for mark in marks) and EXPECTED not in line
            ]
        return found

    def _audit(self) -> None:
        urls = self._arena.own.settings
        done = subprocess.run(
            [VENV_PYTHON, "-m", "tasks.audit", "--json", "--patience", "30"],
            cwd=ROOT,
            env={
                "PATH": "/usr/bin:/bin",
                "CLEARING_DATA_URL": urls.clearing_data_url.get_secret_value(),
                "MARKET_DATA_URL": urls.market_data_url.get_secret_value(),
                "BROKER_URL": urls.broker_url.get_secret_value(),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=_AUDIT_S,
        )
        if not done.stdout:
            self.verdict.find("audit", [f"failed: {done.stderr.strip()[-300:]}"])
            return
        self.verdict.audit = json.loads(done.stdout)
        for rule in self.verdict.audit["rules"]:
            if rule["rule"] == 1 and self._named:
                self._check_names(rule)
                continue
            self.verdict.find(f"audit, rule {rule['rule']} ({rule['found']} times)", rule["findings"])
        self._look_at_dead_letters()

    def _check_names(self, rule: dict[str, Any]) -> None:
        """Check that the audit names the orders that were lost with RabbitMQ's data, and no others."""
        others = [finding for finding in rule["findings"] if "neither registered nor rejected" not in finding]
        self.verdict.find("audit, rule 1", others)
        with_a_name = {
            order_id
            for sent in self._record
            if sent.client_order_id is not None
            for order_id in sent.order_ids & self._named
        }
        if rule["found"] != len(with_a_name) and not others:
            self.verdict.find("audit, rule 1", [f"{len(with_a_name)} orders were lost, and it names {rule['found']}"])

    def _look_at_dead_letters(self) -> None:
        with Connection(self._arena.own.settings.broker_url.get_secret_value()) as connection:
            channel = connection.channel()
            count = channel.queue_declare(DEAD_LETTER, passive=True).message_count
            self.verdict.dead_letters = count
            if not count:
                return
            found = []
            for _ in range(min(count, _MOST_LISTED)):
                message = channel.basic_get(DEAD_LETTER)
                if message is not None:
                    death = message.properties.get("application_headers", {}).get("x-death", [{}])[0]
                    found.append(f"from {death.get('queue')}, {death.get('reason')}: {str(message.body)[:300]}")
            self.verdict.find("dead letter", found)


def decided_id(url: str, key: str, client_order_id: str) -> int | Literal["absent", "undecided"]:
    """Return the order id of a decided order.

    absent: no order was ever promised this id. undecided: RabbitMQ may have lost its order, since the queues are empty.

    raises  TimeoutError  the exchange gives no valid answer
    """
    head = {"Authorization": f"Bearer {key}"}
    deadline_s = time.monotonic() + _QUERY_S
    while True:
        answer = requests.get(f"{url}/orders/by-client-id/{client_order_id}", headers=head, timeout=15)
        if answer.status_code == 404:
            return "absent"
        content = answer.json()
        if answer.ok and content["status"] != "pending":
            return int(content["order_id"])
        if time.monotonic() > deadline_s:
            if answer.ok or content["code"] == "unknown_outcome":
                return "undecided"
            raise TimeoutError(f"the query for {client_order_id} is answered {answer.status_code} {answer.text[:200]}")
        time.sleep(0.5)
