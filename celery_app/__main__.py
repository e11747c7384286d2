"""`python -m celery_app worker -Q matching.0`: the same as `celery -A celery_app worker -Q matching.0`, but faster.

Celery's command line imports every command, including Flower and an interactive shell: a quarter of a second of CPU and
19 MB for each worker. The two commands that run all day start without it, and a worker imports only the modules of its
own stages. All other commands use Celery's command line.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from celery.utils.nodenames import default_nodename, host_format

from celery_app import fail_points
from celery_app.app import app
from celery_app.topology import STAGES, stage_of_queue


def main(arguments: Sequence[str]) -> int:
    """Run a command of Celery; return its exit status."""
    fail_points.armed()  # a wrong setting stops the process here
    match list(arguments):
        case ["worker", "-Q", queues]:
            return _work(queues)
        case ["beat"]:
            app.Beat(quiet=True).run()
            return 0
        case others:
            return int(app.start(others) or 0)


def _work(queues: str) -> int:
    stages = {stage_of_queue(queue) for queue in queues.split(",")}
    app.conf.include = [f"tasks.{stage}.task" for stage in STAGES if stage in stages]
    worker = app.Worker(hostname=host_format(default_nodename(None)), queues=queues, quiet=True)
    worker.start()
    return int(worker.exitcode or 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
