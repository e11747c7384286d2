"""Every exchange, queue and route of the exchange, on one screen.

A queue, the package of its stage, the worker process, the compose service and the metric share one name, so that
whoever sees a deep queue in Flower knows which folder to open.
"""

from __future__ import annotations

from kombu import Connection, Exchange, Queue

from celery_app.settings import settings

ORDER_ENTRY = "order_entry"
MATCHING = "matching"
ORDER_EXECUTION = "order_execution"
DATA_FEED = "data_feed"
DEAD_LETTER = "dead_letter"

STAGES = (ORDER_ENTRY, MATCHING, ORDER_EXECUTION, DATA_FEED)

STOCK_EXCHANGE = Exchange("stock_exchange", type="direct", durable=True)
DEAD_LETTER_EXCHANGE = Exchange(DEAD_LETTER, type="direct", durable=True)

# A message that brings its worker down this often goes to the dead letters instead of to the next worker.
DELIVERY_LIMIT = 20


def matching_queue(shard: int) -> str:
    """Name of the queue on which the commands of a shard travel."""
    return f"{MATCHING}.{shard}"


def shard_of_queue(queue: str) -> int:
    """The shard of a matching queue; ValueError for any other queue."""
    stage, _, shard = queue.partition(".")
    if stage != MATCHING:
        raise ValueError(f"{queue} is not a matching queue")
    return int(shard)


def stage_of_queue(queue: str) -> str:
    """The stage, and so the task, that works on a queue."""
    return queue.partition(".")[0]


def _stage_queue(name: str, **arguments: object) -> Queue:
    """A durable quorum queue on the exchange, with what it cannot handle going to the dead letters."""
    return Queue(
        name,
        exchange=STOCK_EXCHANGE,
        routing_key=name,
        durable=True,
        queue_arguments={
            "x-queue-type": "quorum",
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": DEAD_LETTER_EXCHANGE.name,
            "x-dead-letter-routing-key": DEAD_LETTER,
            **arguments,
        },
    )


def task_queues() -> list[Queue]:
    """The queues that workers consume; the same in every process, or RabbitMQ refuses to declare them."""
    limit = settings().order_entry_max_messages
    return [
        # Refusing at the front door is back-pressure; behind it an order is accepted, so nothing may be refused.
        _stage_queue(ORDER_ENTRY, **{"x-max-length": limit, "x-overflow": "reject-publish"}),
        *(
            # A second worker on the queue is a hot standby: it gets nothing until the first one is gone.
            _stage_queue(matching_queue(shard), **{"x-single-active-consumer": True})
            for shard in range(settings().shards)
        ),
        _stage_queue(ORDER_EXECUTION),
        _stage_queue(DATA_FEED),
    ]


DEAD_LETTER_QUEUE = Queue(
    DEAD_LETTER,
    exchange=DEAD_LETTER_EXCHANGE,
    routing_key=DEAD_LETTER,
    durable=True,
    queue_arguments={"x-queue-type": "quorum"},
)


def declare(connection: Connection) -> None:
    """Declare everything above; declaring it again changes nothing."""
    with connection.channel() as channel:
        for queue in (*task_queues(), DEAD_LETTER_QUEUE):
            queue.bind(channel).declare()
