"""Random requests to the api: no 5xx, and every answer is described in /openapi.json."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import schemathesis

from bots.client import Client
from bots.contract import LimitOrder
from tests.support.exchange import ROOT, Exchange

EXAMPLES = 6

# All of its checks but those that know no rules of trading: a well-formed order may well be refused. The audit takes
# seconds and is asked for once. Of an array that holds a bad request the others are accepted.
CONFIGURATION = """
[headers]
Authorization = "Bearer {key}"
X-API-Key = "{key}"

[parameters]
"path.client_id" = "SINGLE"
"path.security_id" = "MSFT"
"path.order_id" = {order_id}
"path.client_order_id" = "described"

[checks]
positive_data_acceptance.enabled = false
ensure_resource_availability.enabled = false
use_after_free.enabled = false

[phases.coverage]
unexpected-methods = ["PUT"]

[[operations]]
include-path = "/audit"
enabled = false

[[operations]]
include-name = "POST /orders"
checks.negative_data_rejection.enabled = false
"""


def test_every_answer_is_as_described(exchange: Exchange, tmp_path: Path) -> None:
    single = Client(exchange.url, exchange.keys["SINGLE"])
    order = single.place(
        LimitOrder(security_id="MSFT", side="buy", quantity=1, price="1.00", client_order_id="described")
    )
    with ThreadPoolExecutor(2) as pool:
        runs = [
            pool.submit(ask, exchange, tmp_path, owner, selected, order_id=order.order_id)
            for owner, selected in (("admin", "--include-by"), ("SINGLE", "--exclude-by"))
        ]
    for run in runs:
        assert run.result().returncode == 0, run.result().stdout

    described = schemathesis.openapi.from_url(f"{exchange.url}/openapi.json")
    authorization = {"Authorization": f"Bearer {exchange.keys['admin']}"}
    described["/audit"]["GET"].Case().call_and_validate(headers=authorization, timeout=1_200)
    audit = exchange.audit()
    assert audit.passed, audit
    assert exchange.dead_letters() == 0


def ask(
    exchange: Exchange, folder: Path, owner: str, selected: str, *, order_id: int
) -> subprocess.CompletedProcess[str]:
    """Send random requests to the admin's routes or to the others, with a key for them; the seed fixes the requests."""
    configuration = folder / f"{owner}.toml"
    configuration.write_text(CONFIGURATION.format(key=exchange.keys[owner], order_id=order_id))
    return subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"), "--config-file", configuration,
            "run", f"{exchange.url}/openapi.json", selected, "/x-caller == admin",
            "--phases", "coverage,fuzzing", "--max-examples", str(EXAMPLES), "--seed", "1",
            "--no-color", "--warnings", "off",
        ],
        cwd=folder,  # schemathesis leaves a cache there
        env={"SCHEMATHESIS_HOOKS": "tests.system.request_hooks", "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=1_200,
    )  # fmt: skip
