"""Asks the other api processes whether they know a pending order; over Redis, so that they need no addresses.

Only requests for an id that neither the register nor this process knows come here. The question goes to all processes,
which answer into a list of their own for each question. So sharing pending orders costs the orders themselves nothing.
"""

from __future__ import annotations

import time
import uuid

import gevent
import msgspec
import structlog
from msgspec import Struct
from redis import Redis
from redis.backoff import NoBackoff
from redis.client import PubSub
from redis.exceptions import RedisError
from redis.retry import Retry

from api.orders.intake.pending import PendingOrders
from api.wire.problems import Problem
from tasks.data_feed.outgoing import channel_of
from tasks.messages import OrderRequest

log = structlog.get_logger()

# Longest time for all answers, for which Redis keeps them, and between two attempts to reach Redis [s].
ANSWERS_S = 0.5
KEPT_S = 10
AGAIN_S = 1.0


class _Question(Struct, frozen=True):
    process: str
    order_id: int
    answers: str  # the key of the list


class _Answer(Struct, frozen=True):
    order: OrderRequest | None


_decode_question = msgspec.json.Decoder(_Question).decode
_decode_answer = msgspec.json.Decoder(_Answer).decode
_encode = msgspec.json.Encoder().encode


class PendingElsewhere:
    """The pending orders of the other api processes."""

    def __init__(self, redis_url: str, pending: PendingOrders) -> None:
        self._pending = pending
        self._name = uuid.uuid4().hex
        self._redis = Redis.from_url(
            redis_url, socket_connect_timeout=ANSWERS_S, socket_timeout=2 * ANSWERS_S, retry=Retry(NoBackoff(), 0)
        )
        self._channel = f"{channel_of(self._redis)}.pending"
        self._listens = False

    def order(self, order_id: int) -> OrderRequest | None:
        """Return an order that another process has queued; None when none knows it.

        raises  Problem  503 when not all of them answer
        """
        answers = f"{self._channel}.{uuid.uuid4().hex}"
        deadline = time.monotonic() + ANSWERS_S
        try:
            asked = self._redis.publish(self._channel, _encode(_Question(self._name, order_id, answers)))
            for _ in range(asked - self._listens):
                found = self._redis.blpop([answers], timeout=max(deadline - time.monotonic(), 0.01))
                if found is None:
                    raise _not_all_answer()
                if (order := _decode_answer(found[1]).order) is not None:
                    return order
        except (RedisError, OSError, msgspec.MsgspecError) as fault:
            log.warning("pending_orders_not_asked_for", fault=str(fault)[:200])
            raise _not_all_answer() from fault
        return None

    def run(self) -> None:
        """Answer the questions of other processes, for ever."""
        while True:
            try:
                with self._redis.pubsub(ignore_subscribe_messages=False) as channel:
                    channel.subscribe(self._channel)
                    self._answer(channel)
            except (RedisError, OSError) as fault:
                self._listens = False
                log.warning("pending_orders_not_shared", fault=str(fault)[:200])
            gevent.sleep(AGAIN_S)

    def _answer(self, channel: PubSub) -> None:
        while True:
            message = channel.get_message(timeout=AGAIN_S)
            if message is None:
                channel.ping()  # fails if Redis has hung, and keeps the connection
            elif message["type"] == "subscribe":
                self._listens = True
            elif message["type"] == "message":
                self._answer_one(message["data"])

    def _answer_one(self, data: bytes) -> None:
        try:
            question = _decode_question(data)
        except msgspec.MsgspecError:
            return  # junk, which any program may publish
        if question.process == self._name or not question.answers.startswith(f"{self._channel}."):
            return
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.rpush(question.answers, _encode(_Answer(self._pending.order(question.order_id))))
            pipe.expire(question.answers, KEPT_S)
            pipe.execute()


def _not_all_answer() -> Problem:
    return Problem(
        503, "unknown_outcome", "this order may be on its way from another process of the api: try again", retry=True
    )
