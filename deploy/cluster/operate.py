"""`python -m deploy.cluster.operate MODULE ARGUMENTS…`: a program with all rights, in a container.

It gets the addresses of all hosts, as in `. .run/cluster/env`. `deploy.migrate` first waits until both clusters are
complete, because RabbitMQ gives a queue as many members as it has nodes when the queue is declared.
"""

from __future__ import annotations

import os
import sys

from celery_app.settings import settings
from deploy.cluster import readiness, services
from deploy.cluster.cluster import Cluster, secrets
from deploy.local.failure import Failure, ending
from deploy.local.places import Instance

_MIGRATE = "deploy.migrate"


def main() -> int:
    """Become the program. Raises Failure."""
    if len(sys.argv) < 2:
        raise Failure("python -m deploy.cluster.operate takes a module, such as tasks.audit, and its arguments")
    module, *arguments = sys.argv[1:]
    cluster = _cluster()
    environment = cluster.environment(Instance(settings().run_directory))
    if module == _MIGRATE:
        readiness.wait_for_rabbitmq(cluster)
        readiness.wait_for_postgres(cluster)
        environment |= cluster.for_migrate
    command = [sys.executable, "-m", module, *arguments]
    os.execve(command[0], command, os.environ | environment)


def _cluster() -> Cluster:
    variables = {name: services.variable_of(name) for name in secrets()}
    missing = [variable for variable in variables.values() if not os.environ.get(variable)]
    if missing:
        raise Failure(f"not set: {', '.join(missing)}; copy .env.example to .env first")
    return Cluster({name: os.environ[variable] for name, variable in variables.items()}, os.environ)


if __name__ == "__main__":
    raise SystemExit(ending(main))
