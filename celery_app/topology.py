"""Every exchange, queue and route of the exchange, on one screen.

A queue, the package of its stage, the worker process, the compose service and the metric share one name, so the name
of a long queue in Flower says which folder to open.
"""

from __future__ import annotations

from kombu import Connection, Exchange, Queue

from celery_app.settings import settings

ORDER_ENTRY = "order_entry"
MATCHING = "matching"
ORDER_EXECUTION = "order_execution"
DATA_FEED = "data_feed"
DEAD_LETTER = "dead_letter"
# Not a stage: it publishes again the messages that the stages after the engine have lost.
CATCH_UP = "catch_up"
# Not a stage: it only sends.
SCHEDULER = "scheduler"

STAGES = (ORDER_ENTRY, MATCHING, ORDER_EXECUTION, DATA_FEED)

STOCK_EXCHANGE = Exchange("stock_exchange", type="direct", durable=True)
DEAD_LETTER_EXCHANGE = Exchange(DEAD_LETTER, type="direct", durable=True)

# A message that has ended this many workers becomes a dead letter instead of going to the next worker.
DELIVERY_LIMIT = 20


def matching_queue(shard: int) -> str:
    """Return the name of the queue for the commands of a shard."""
    return f"{MATCHING}.{shard}"


def shard_of_queue(queue: str) -> int:
    """Return the shard of a matching queue; raise ValueError for any other queue."""
    stage, _, shard = queue.partition(".")
    if stage != MATCHING:
        raise ValueError(f"{queue} is not a matching queue")
    return int(shard)


def stage_of_queue(queue: str) -> str:
    """Return the name of the stage, and so of the task, that consumes a queue."""
    return queue.partition(".")[0]


def _stage_queue(name: str, **arguments: object) -> Queue:
    """Return a durable quorum queue whose rejected messages become dead letters."""
    return Queue(
        name,
        exchange=STOCK_EXCHANGE,
        routing_key=name,
        durable=True,
        no_declare=bool(settings().broker_role),  # a role has no right to declare queues
        queue_arguments={
            "x-queue-type": "quorum",
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": DEAD_LETTER_EXCHANGE.name,
            "x-dead-letter-routing-key": DEAD_LETTER,
            **arguments,
        },
    )


def task_queues() -> list[Queue]:
    """Return the queues that workers consume; if two processes declared them differently, RabbitMQ would refuse."""
    limit = settings().order_entry_max_messages
    return [
        # Order entry's queue refuses messages to slow clients down. Later queues carry accepted orders: none refuses.
        _stage_queue(ORDER_ENTRY, **{"x-max-length": limit, "x-overflow": "reject-publish"}),
        *(
            # A second worker on the queue is a hot standby: it gets no message until the first one is gone.
            _stage_queue(matching_queue(shard), **{"x-single-active-consumer": True})
            for shard in range(settings().shards)
        ),
        _stage_queue(ORDER_EXECUTION),
        _stage_queue(DATA_FEED),
    ]


def sends_to() -> dict[str, list[str]]:
    """Return the queues to which each role may send.

    RabbitMQ grants rights by exchange and not by routing key, so each role has its own direct exchange and may publish
    only there. The routing keys bound from it to the stock exchange are the queues to which the role may send.
    """
    matching = [matching_queue(shard) for shard in range(settings().shards)]
    return {
        "api": [ORDER_ENTRY],
        SCHEDULER: [ORDER_ENTRY],
        ORDER_ENTRY: [*matching, DATA_FEED],
        MATCHING: [ORDER_EXECUTION, DATA_FEED],
        ORDER_EXECUTION: [DATA_FEED],
        CATCH_UP: [ORDER_EXECUTION, DATA_FEED],
    }


def exchange_of_role(role: str) -> Exchange:
    """Return the exchange to which a role publishes; without a role, the stock exchange itself."""
    return Exchange(f"from.{role}", type="direct", durable=True) if role else STOCK_EXCHANGE


DEAD_LETTER_QUEUE = Queue(
    DEAD_LETTER,
    exchange=DEAD_LETTER_EXCHANGE,
    routing_key=DEAD_LETTER,
    durable=True,
    queue_arguments={"x-queue-type": "quorum"},
)


def declare(connection: Connection) -> None:
    """Declare every queue; declaring it again changes nothing. A role may only check that they exist.

    raises  amqp.NotFound  a queue is missing, and this role has no right to declare it
    """
    with connection.channel() as channel:
        for queue in (*task_queues(), DEAD_LETTER_QUEUE):
            if settings().broker_role:
                channel.queue_declare(queue.name, passive=True)
            else:
                queue.bind(channel).declare()


def declare_roles(connection: Connection) -> None:
    """Declare the exchanges of the roles, and bindings to the queues each may send to; this needs all rights."""
    declare(connection)
    with connection.channel() as channel:
        for role, queues in sends_to().items():
            exchange_of_role(role).bind(channel).declare()
            for queue in queues:
                STOCK_EXCHANGE.bind(channel).bind_to(exchange_of_role(role), routing_key=queue)
