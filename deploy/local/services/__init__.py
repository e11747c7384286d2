"""An instance's RabbitMQ, Postgres and Redis: on loopback, with ports, data and secrets of their own."""
