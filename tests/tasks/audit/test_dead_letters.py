"""Rule 1 counts dead letters and names them, and does not pass if RabbitMQ does not answer."""

from __future__ import annotations

import time

from kombu import Connection

from celery_app.topology import DEAD_LETTER_EXCHANGE, DEAD_LETTER_QUEUE
from deploy.dead_letters import dead_letters
from tasks.audit.audit import audit
from tasks.audit.clearing.dead_letters import check_dead_letters
from tasks.audit.common.result import MOST_LISTED
from tests.support.broker import depth
from tests.tasks.audit.conftest import Traded
from tests.tasks.audit.test_audit import PATIENCE_S, broken


def bury(broker: Connection, count: int) -> None:
    """Publish a number of dead letters, and wait until they are there."""
    with broker.channel() as channel:
        for number in range(count):
            broker.Producer(channel).publish(
                f"[{number}]", exchange=DEAD_LETTER_EXCHANGE.name, routing_key=DEAD_LETTER_QUEUE.name
            )


def wait_until_ready(broker: Connection, count: int) -> None:
    """Wait until a number of messages is in the queue again, as RabbitMQ takes a moment to put back read ones."""
    deadline_s = time.monotonic() + 20
    while depth(broker, DEAD_LETTER_QUEUE.name) < count:
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def test_dead_letters_are_named_as_the_command_names_them_and_stay(broker: Connection, broker_url: str) -> None:
    bury(broker, 2)
    for _ in range(3):
        wait_until_ready(broker, 2)
        checked = check_dead_letters(broker_url)
        assert checked.found == 2
    wait_until_ready(broker, 2)
    with dead_letters(broker_url) as taken:
        names = [letter.name for letter in taken.letters]
    assert len(names) == 2
    assert all(any(name in finding for finding in checked.findings) for name in names)


def test_all_are_counted_and_the_first_are_named(broker: Connection, broker_url: str) -> None:
    bury(broker, MOST_LISTED + 3)
    checked = check_dead_letters(broker_url)
    assert (checked.found, len(checked.findings)) == (MOST_LISTED + 3, MOST_LISTED)


def test_a_dead_letter_breaks_the_audit(traded: Traded, broker: Connection) -> None:
    assert broken(traded) == {}
    bury(broker, 1)
    rules = broken(traded)
    assert rules.keys() == {1}
    assert "dead letter" in rules[1].findings[0]


def test_without_rabbitmq_the_audit_does_not_pass(traded: Traded) -> None:
    away = "amqp://guest:guest@127.0.0.1:1//"
    outcome = audit(traded.clearing_data, traded.market_data, broker_url=away, patience_s=PATIENCE_S)
    assert [rule.rule for rule in outcome.rules if not rule.passed] == [1]
    assert "RabbitMQ does not answer, so the dead letters are unknown" in outcome.rules[0].findings[0]


def test_a_missing_queue_is_a_finding(broker: Connection, broker_url: str) -> None:
    with broker.channel() as channel:
        DEAD_LETTER_QUEUE.bind(channel).delete()
    assert "has no queue dead_letter" in check_dead_letters(broker_url).findings[0]
