"""`python -m tests.api.http.impatient`: the api with time limits that a test can wait for."""

import runpy

from gevent import monkey

monkey.patch_all()

from api.http import server  # noqa: E402  # after the patches

server.REQUEST_S = 1.0
server.IDLE_S = 2.0
runpy.run_module("api", run_name="__main__")
