"""`python -m tests.support.streams_server PORT CONSTANTS`: the streams on a port, with new values of some constants."""

# ruff: noqa: E402  # a module that is imported before the patches keeps the sockets and locks that block
from gevent import monkey

monkey.patch_all()

from psycogreen.gevent import patch_psycopg

patch_psycopg()

import importlib
import json
import sys

from gevent.pywsgi import WSGIServer

from api.streams.app import create_app
from celery_app import logs


def main(port: str, constants: str) -> None:
    """Serve for ever."""
    for name, constant in json.loads(constants).items():
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name
        setattr(importlib.import_module(module), attribute, constant)
    logs.configure()
    WSGIServer(("127.0.0.1", int(port)), create_app(), log=None).serve_forever()


main(*sys.argv[1:])
