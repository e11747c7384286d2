"""RabbitMQ, Postgres and Redis of an instance: on loopback, with ports, data and secrets of their own."""
