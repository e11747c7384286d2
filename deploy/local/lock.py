"""A lock, so that one command at a time starts or stops an instance."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from deploy.local.failure import Failure
from deploy.local.places import Instance


@contextmanager
def alone(instance: Instance) -> Iterator[None]:
    """Keep other commands from starting or stopping the instance inside the block.

    raises  Failure  another command is doing so
    """
    instance.directory.mkdir(exist_ok=True)
    with (instance.directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failure(
                f"another command is starting or stopping {instance.directory}: wait until it has finished"
            ) from None
        yield
