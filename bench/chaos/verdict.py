"""Whether what the clients were told is true: every order accounted for, none twice, and the audit."""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import requests
from kombu import Connection
from sqlalchemy import text

from bench.chaos.arena import Arena
from bench.chaos.clients import NAMES
from bench.chaos.record import Record, Sent
from bots.client import Client
from bots.errors import Problem
from celery_app.topology import DEAD_LETTER, task_queues
from db.connect import Database
from deploy.local.places import ROOT, VENV_PYTHON

# How long the queues may take to run empty when nothing happens any more [s].
_DRAIN_S = 180.0
_AUDIT_S = 600.0
# How long the exchange may take to accept an order when nothing happens any more [s].
_RESOLVE_S = 60.0
# Findings of one kind that are written out.
_MOST_LISTED = 20
# A queue that is empty for so long has nothing in the hands of a worker, either: units are tried again sooner [s].
_EMPTY_S = 4.0
# What stands in a line of a log that somebody should have been called for.
# What a report tells of, because it heals what should be rare.
_TOLD = ("worker_stalled", "unit_suspicious", "standby_publishes")
_ALARMS = ("level=critical", "event=message_failed", "event=message_unreadable")


@dataclass(slots=True)
class Verdict:
    """What was found; `findings` is empty when everything is right."""

    findings: list[str] = field(default_factory=list)
    accepted: int = 0
    lost: int = 0
    doubled: int = 0
    resolved: int = 0  # orders of unknown outcome that the exchange has told about
    dead_letters: int = 0
    audit: dict[str, Any] = field(default_factory=dict)
    events: Counter[str] = field(default_factory=Counter)  # lines of logs that tell of something rare

    def find(self, kind: str, what: Sequence[str]) -> int:
        """Note what is wrong of one kind; how many there are."""
        self.findings += [f"{kind}: {one}" for one in what[:_MOST_LISTED]]
        if len(what) > _MOST_LISTED:
            self.findings.append(f"{kind}: and {len(what) - _MOST_LISTED} more")
        return len(what)


class Judge:
    """Looks at the exchange after everything has happened."""

    def __init__(
        self, arena: Arena, record: Record, keys: dict[str, str], clearing_data: Database, market_data: Database
    ) -> None:
        self._arena = arena
        self._record = record
        self._keys = keys
        self._clearing_data = clearing_data
        self._market_data = market_data
        self.verdict = Verdict()
        self._resolved: dict[int, int | None] = {}  # what was found out about an order, by its identity here

    def judge(self) -> Verdict:
        """All of it; takes as long as the queues take to run empty, and the audit."""
        verdict = self.verdict
        self._drain()
        self._resolve()
        if self.verdict.resolved:
            self._drain()
        verdict.accepted = self._record.accepted
        self._hold_against_the_log()
        verdict.find("unexpected answer", self._unexpected())
        verdict.find("program", self._arena.ended())
        verdict.find("log", self._critical())
        self._audit()
        return verdict

    # -- what only the exchange knows --------------------------------------------------------------------------------

    def _drain(self) -> None:
        """Wait until nothing is under way."""
        deadline_s = time.monotonic() + _DRAIN_S
        empty_since_s = time.monotonic()
        while time.monotonic() - empty_since_s < _EMPTY_S:
            deep = [f"{name}: {depth}" for name, depth in self._depths().items() if depth]
            if deep:
                empty_since_s = time.monotonic()
            if empty_since_s > deadline_s:
                self.verdict.find("queue does not run empty", deep)
                return
            time.sleep(0.3)

    def _depths(self) -> dict[str, int]:
        """Messages that lie ready in each queue."""
        with Connection(self._arena.own.settings.broker_url.get_secret_value()) as connection:
            channel = connection.channel()
            names = [queue.name for queue in task_queues()]
            return {name: channel.queue_declare(name, passive=True).message_count for name in names}

    def _resolve(self) -> None:
        """Find out about orders of unknown outcome: of every other one by asking, of the rest by sending it again."""
        unclear = [sent for sent in self._record if sent.is_open and sent.client_order_id is not None]
        clients = {name: Client(self._arena.own.url, self._keys[name], patience_s=5) for name in NAMES}
        for number, sent in enumerate(unclear):
            client = clients[sent.client_id]
            self.verdict.resolved += 1
            self._resolved[id(sent)] = _asked(client, sent) if number % 2 else self._place(sent)

    def _place(self, sent: Sent) -> int:
        """Send an order again until it is accepted; its order id."""
        head = {"Authorization": f"Bearer {self._keys[sent.client_id]}"}
        deadline_s = time.monotonic() + _RESOLVE_S
        while True:
            answer = requests.post(f"{self._arena.own.url}/orders", json=sent.terms, headers=head, timeout=15)
            if answer.ok:
                return int(answer.json()["order_id"])
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"{sent.client_order_id} is answered {answer.status_code} {answer.text[:200]}")
            time.sleep(0.5)

    # -- the account -------------------------------------------------------------------------------------------------

    def _hold_against_the_log(self) -> None:
        verdict = self.verdict
        orders = self._orders()
        logged = self._logged()
        by_name = {(row.client_id, row.client_order_id): row for row in orders.values() if row.client_order_id}
        lost, doubled, present, unnamed = [], [], [], defaultdict(list)
        for sent in self._record:
            ids = sent.order_ids
            resolved = self._resolved.get(id(sent))
            if resolved is not None:
                ids = ids | {resolved}
            who = f"{sent.client_id} {sent.client_order_id or '(no name)'} {sorted(ids)} {_told(sent)}"
            if len(ids) > 1:
                doubled.append(f"{who}: accepted under several ids")
            for order_id in ids:
                row = orders.get(order_id)
                if row is None or row.client_id != sent.client_id or row.client_order_id != sent.client_order_id:
                    lost.append(f"{who}: is not there")
                elif not (row.status == "rejected" and row.is_denied) and logged[order_id] == 0:
                    lost.append(f"{who}: neither in the log nor denied")
                elif logged[order_id] > 1 or (logged[order_id] and row.is_denied):
                    doubled.append(f"{who}: {logged[order_id]} times in the log, denied: {row.is_denied}")
            if sent.client_order_id is None:
                unnamed[sent.client_id].append(sent)
            elif not ids and (sent.client_id, sent.client_order_id) in by_name:
                present.append(f"{who}: is there, although the exchange said that it is not")
        verdict.lost = verdict.find("lost", lost)
        verdict.doubled = verdict.find("doubled", doubled)
        verdict.find("not accepted and there", present)
        verdict.find("orders without a name", self._unnamed(unnamed, orders.values()))
        asked_for = {(sent.client_id, sent.client_order_id) for sent in self._record}
        verdict.find("order that nobody sent", [str(name) for name in by_name if name not in asked_for])

    def _orders(self) -> dict[int, Any]:
        with self._clearing_data.snapshot() as tx:
            rows = tx.execute(
                text(
                    "SELECT order_id, client_id, client_order_id, status, denials.command_id IS NOT NULL AS is_denied "
                    "FROM orders LEFT JOIN denials ON command_id = order_id WHERE client_id = ANY(:clients)"
                ),
                {"clients": list(NAMES)},
            )
            return {row.order_id: row for row in rows}

    def _logged(self) -> dict[int, int]:
        with self._clearing_data.snapshot() as tx:
            rows = tx.execute(text("SELECT command_id, count(*) AS times FROM order_log GROUP BY command_id"))
            return defaultdict(int, {row.command_id: row.times for row in rows})

    def _unnamed(self, sent: dict[str, list[Sent]], orders: Iterable[Any]) -> list[str]:
        """Orders without a client order id can only be counted: as many as accepted, plus some of the unknown."""
        wrong = []
        for client_id, theirs in sent.items():
            least = sum(one.is_accepted for one in theirs)
            most = least + sum(one.is_open for one in theirs)
            there = sum(row.client_id == client_id and row.client_order_id is None for row in orders)
            if not least <= there <= most:
                wrong.append(f"{client_id} has {there}; accepted were {least}, perhaps {most - least} more")
        return wrong

    # -- everything else ---------------------------------------------------------------------------------------------

    def _unexpected(self) -> list[str]:
        """Answers that have no place here: nothing that the clients ask is wrong, and nothing is our fault."""
        return [
            f"{sent.client_id} {sent.client_order_id}: {attempt.status} {attempt.code}"
            for sent in self._record
            for attempt in sent.attempts
            if attempt.outcome == "refused"
        ]

    def _critical(self) -> list[str]:
        """What processes wrote into their logs that somebody should have been called for."""
        found = []
        for log in sorted(self._arena.own.instance.logs.glob("*.log*")):
            lines = log.read_text(errors="replace").splitlines()
            for event in _TOLD:
                self.verdict.events[event] += sum(f"event={event}" in line for line in lines)
            found += [f"{log.name}: {line[:400]}" for line in lines if any(mark in line for mark in _ALARMS)]
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
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=_AUDIT_S,
        )
        if not done.stdout:
            self.verdict.find("audit", [f"could not be made: {done.stderr.strip()[-300:]}"])
            return
        self.verdict.audit = json.loads(done.stdout)
        for rule in self.verdict.audit["rules"]:
            self.verdict.find(f"audit, rule {rule['rule']} ({rule['found']} times)", rule["findings"])
        self._look_at_dead_letters()

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


def _asked(client: Client, sent: Sent) -> int | None:
    """The order id by which the exchange has decided an order; None when it has not, though the queues are empty."""
    try:
        order = client.order_by_client_id(str(sent.client_order_id))
    except Problem as problem:
        # A name that no order was ever promised, or whose order was never queued.
        if problem.status != 404 and problem.code != "unknown_outcome":
            raise
        return None
    return None if order.status == "pending" else order.order_id


def _told(sent: Sent) -> str:
    return ", ".join(f"{attempt.sent_s:.1f} s: {attempt.status} {attempt.code}".strip() for attempt in sent.attempts)
