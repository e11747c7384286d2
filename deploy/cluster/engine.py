"""`python3 -m deploy.cluster.engine rabbitmq`: an engine in a container of its own, whose host is that of its network.

It writes the engine's configuration and becomes the engine. Standard library only.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from deploy.cluster import layout, services
from deploy.local.places import Instance


def main() -> None:
    """Become the engine; its passwords leave the environment."""
    engine = sys.argv[1]
    environment = dict(os.environ)
    passwords = {name: environment.pop(services.variable_of(name)) for name in services.SECRETS[engine]}
    host = layout.host_of(socket.gethostname())
    program = services.program(engine, host, Instance(Path(environment["RUN_DIRECTORY"])), passwords)
    os.execve(program.command[0], list(program.command), environment | dict(program.environment))


if __name__ == "__main__":
    main()
