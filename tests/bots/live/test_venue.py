"""An order of a bot whose answer is lost is sent again under its id before anything else, until there is an answer."""

from __future__ import annotations

import pytest

from bots.client import Client
from bots.errors import Unavailable
from bots.live.venue import LiveVenue
from tests.bots.client.test_client import BUY, ScriptedExchange, accepted, answer, exchange, problem

__all__ = ["exchange"]  # a fixture

LOST = problem(503, "unknown_outcome", Retry_After="60")
NOT_QUEUED = problem(503, "not_accepted", Retry_After="60")


@pytest.fixture
def venue(exchange: ScriptedExchange) -> LiveVenue:
    return LiveVenue(Client(exchange.url, "key", patience_s=1.0, timeout_s=1.0))


def test_an_order_without_an_answer_is_sent_again_first(exchange: ScriptedExchange, venue: LiveVenue) -> None:
    exchange.answers = [LOST]
    with pytest.raises(Unavailable):
        venue.place(BUY)
    exchange.answers = [LOST]
    with pytest.raises(Unavailable):
        venue.cancel("MSFT", 5)
    exchange.answers = [accepted(6), answer(202, {"status": "success", "order_id": 5})]
    venue.cancel("MSFT", 5)
    exchange.answers = [accepted(7)]
    assert venue.place(BUY) == 7
    lost, again, once_more, cancel, other = exchange.bodies()
    assert lost == again == once_more
    assert cancel == {"type": "cancel", "security_id": "MSFT", "order_id": 5}
    assert other["client_order_id"] != lost["client_order_id"]


def test_a_refusal_is_an_answer(exchange: ScriptedExchange, venue: LiveVenue) -> None:
    exchange.answers = [LOST]
    with pytest.raises(Unavailable):
        venue.place(BUY)
    exchange.answers = [problem(409, "client_order_id_used"), accepted(7), accepted(8)]
    assert [venue.place(BUY), venue.place(BUY)] == [7, 8]


def test_an_order_that_certainly_was_not_queued_is_not_sent_again(exchange: ScriptedExchange, venue: LiveVenue) -> None:
    exchange.answers = [NOT_QUEUED]
    with pytest.raises(Unavailable):
        venue.place(BUY)
    exchange.answers = [accepted(7)]
    assert venue.place(BUY) == 7
    assert len(exchange.requests) == 2
