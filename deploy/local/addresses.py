"""The variables with the addresses of the services, and which of all variables contain passwords.

Standard library only, because `python3 -m deploy.local` reads it before anything is installed.
"""

from __future__ import annotations

# The variable of each address, and its service; `make up` starts Postgres unless both databases are set.
SERVICE_URLS = {
    "BROKER_URL": "RabbitMQ",
    "REDIS_URL": "Redis",
    "CLEARING_DATA_URL": "Postgres",
    "MARKET_DATA_URL": "Postgres",
}
DATABASE_URLS = frozenset({"CLEARING_DATA_URL", "MARKET_DATA_URL"})
# Flower's own variables: the address of RabbitMQ's management, and its users with passwords.
FLOWER_BROKER_API = "FLOWER_BROKER_API"
FLOWER_BASIC_AUTH = "FLOWER_BASIC_AUTH"

# For `deploy.migrate` only, which makes the users.
FOR_MIGRATE = ("BROKER_MANAGEMENT_URL", "BROKER_USERS", "DATABASE_USERS")

# Variables that contain passwords.
WITH_PASSWORDS = (*SERVICE_URLS, FLOWER_BROKER_API, FLOWER_BASIC_AUTH, *FOR_MIGRATE)
